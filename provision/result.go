package provision

import "encoding/json"

// MarshalJSON writes the result with the error as text, and no secret.
func (r Result) MarshalJSON() ([]byte, error) {
	text := ""
	if r.Err != nil {
		text = r.Err.Error()
	}
	return json.Marshal(struct {
		*Change
		Status Status `json:"status"`
		Error  string `json:"error,omitzero"`
	}{r.Change, r.Status, text})
}
