package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/bytedance/sonic"
	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	goccy "github.com/goccy/go-json"
	"github.com/tidwall/gjson"
)

// What people write by hand: every value is a string on the wire, so it is
// one in Go.
type (
	stringUser struct {
		ID              string `json:"userId"`
		DomainID        string `json:"domainId"`
		User            string `json:"user"`
		DisplayName     string `json:"displayName"`
		ExtensionNumber string `json:"extensionNumber"`
		Email           string `json:"email"`
		FirstName       string `json:"firstName"`
		LastName        string `json:"lastName"`
		JobName         string `json:"jobName"`
		DepartmentName  string `json:"departmentName"`
		CompanyName     string `json:"companyName"`
		OfficeName      string `json:"officeName"`
		UKCallerID      string `json:"ukCallerId"`
		USCallerID      string `json:"usCallerId"`
		MobileNumber    string `json:"mobileNumber"`
		MobileFollow    string `json:"mobileFollow"`
		UKPhoneID       string `json:"ukPhoneId"`
		USPhoneID       string `json:"usPhoneId"`
		HotdeskAllowed  string `json:"hotdeskAllowed"`
		Dashboard       string `json:"dashboard"`
		Password        string `json:"password"`
		PIN             string `json:"pin"`
	}
	stringDevice struct {
		ID         string `json:"pbxDeviceId"`
		Name       string `json:"pbxDeviceName"`
		DomainID   string `json:"domainId"`
		MACAddress string `json:"deviceMacAddress"`
		Created    string `json:"createDatetime"`
		Updated    string `json:"updateDatetime"`
		UserID     string `json:"userId"`
		User       string `json:"user"`
	}
)

// Typed rows, as an SDK wants them, from lenient values.
type (
	typedUser struct {
		ID              number `json:"userId"`
		DomainID        number `json:"domainId"`
		User            string `json:"user"`
		DisplayName     string `json:"displayName"`
		ExtensionNumber string `json:"extensionNumber"`
		Email           string `json:"email"`
		FirstName       string `json:"firstName"`
		LastName        string `json:"lastName"`
		JobName         string `json:"jobName"`
		DepartmentName  string `json:"departmentName"`
		CompanyName     string `json:"companyName"`
		OfficeName      string `json:"officeName"`
		UKCallerID      string `json:"ukCallerId"`
		USCallerID      string `json:"usCallerId"`
		MobileNumber    string `json:"mobileNumber"`
		MobileFollow    onOff  `json:"mobileFollow"`
		UKPhoneID       number `json:"ukPhoneId"`
		USPhoneID       number `json:"usPhoneId"`
		HotdeskAllowed  onOff  `json:"hotdeskAllowed"`
		Dashboard       onOff  `json:"dashboard"`
		Password        string `json:"password"`
		PIN             string `json:"pin"`
	}
	typedDevice struct {
		ID         number   `json:"pbxDeviceId"`
		Name       string   `json:"pbxDeviceName"`
		DomainID   number   `json:"domainId"`
		MACAddress string   `json:"deviceMacAddress"`
		Created    datetime `json:"createDatetime"`
		Updated    datetime `json:"updateDatetime"`
		UserID     number   `json:"userId"`
		User       string   `json:"user"`
	}

	number   int64
	onOff    bool
	datetime struct{ time.Time }
)

// Typed rows with the members that no field decodes, for the libraries that can keep them.
type (
	unknownUser struct {
		typedUser
		Unknown map[string]jsontext.Value `json:",embed"`
	}
	unknownDevice struct {
		typedDevice
		Unknown map[string]jsontext.Value `json:",embed"`
	}
)

const datetimeLayout = time.DateTime

// text returns what is between the quotes, or a bare value as it stands.
func text(value []byte) string {
	if string(value) == "null" {
		return ""
	}
	return string(bytes.Trim(value, `"`))
}

func parseNumber(text string) (number, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return number(n), err
}

func parseFlag(text string) onOff { return text == "1" || text == "true" }

func parseDatetime(text string) (datetime, error) {
	if text == "" || text == "0000-00-00 00:00:00" {
		return datetime{}, nil
	}
	t, err := time.Parse(datetimeLayout, text)
	return datetime{t}, err
}

// UnmarshalJSON takes a string, a number or null.
func (n *number) UnmarshalJSON(value []byte) (err error) {
	*n, err = parseNumber(text(value))
	return err
}

// UnmarshalJSON takes a string, a number, a bool or null.
func (f *onOff) UnmarshalJSON(value []byte) error {
	*f = parseFlag(text(value))
	return nil
}

// UnmarshalJSON takes the API's layout.
func (d *datetime) UnmarshalJSON(value []byte) (err error) {
	*d, err = parseDatetime(text(value))
	return err
}

// UnmarshalJSONFrom is UnmarshalJSON for json v2.
func (n *number) UnmarshalJSONFrom(dec *jsontext.Decoder) error { return fromV2(dec, n) }

// UnmarshalJSONFrom is UnmarshalJSON for json v2.
func (f *onOff) UnmarshalJSONFrom(dec *jsontext.Decoder) error { return fromV2(dec, f) }

// UnmarshalJSONFrom is UnmarshalJSON for json v2.
func (d *datetime) UnmarshalJSONFrom(dec *jsontext.Decoder) error { return fromV2(dec, d) }

func fromV2(dec *jsontext.Decoder, into json.Unmarshaler) error {
	value, err := dec.ReadValue()
	if err != nil {
		return err
	}
	return into.UnmarshalJSON(value)
}

// A decoder reads rows of type T to the end of body and shows each to visit,
// where that is not nil.
type decoder[T any] func(body io.Reader, visit func(T)) error

// standard decodes as most programs do.
func standard[T any](body io.Reader, visit func(T)) error {
	dec := json.NewDecoder(body)
	for {
		var row T
		if err := dec.Decode(&row); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if visit != nil {
			visit(row)
		}
	}
}

// standardUnknown keeps the members that no field decodes: the row is read into a map too,
// and what is not in known stays.
func standardUnknown[T any, P keeper[T]](known map[string]bool) decoder[T] {
	return func(body io.Reader, visit func(T)) error {
		dec := json.NewDecoder(body)
		for {
			var raw json.RawMessage
			if err := dec.Decode(&raw); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
			var row T
			var members map[string]json.RawMessage
			if err := errors.Join(json.Unmarshal(raw, &row), json.Unmarshal(raw, &members)); err != nil {
				return err
			}
			for name := range members {
				if known[name] {
					delete(members, name)
				}
			}
			P(&row).keep(members)
			if visit != nil {
				visit(row)
			}
		}
	}
}

type (
	keptUser struct {
		typedUser
		unknown map[string]json.RawMessage
	}
	keptDevice struct {
		typedDevice
		unknown map[string]json.RawMessage
	}
	keeper[T any] interface {
		*T
		keep(unknown map[string]json.RawMessage)
	}
)

func (u *keptUser) keep(unknown map[string]json.RawMessage)   { u.unknown = unknown }
func (d *keptDevice) keep(unknown map[string]json.RawMessage) { d.unknown = unknown }

// byLine has a library decode each line.
func byLine[T any](unmarshal func(line []byte, row *T) error) decoder[T] {
	return func(body io.Reader, visit func(T)) error {
		return lines(body, func(line []byte) error {
			var row T
			if err := unmarshal(line, &row); err != nil {
				return err
			}
			if visit != nil {
				visit(row)
			}
			return nil
		})
	}
}

// lines shows each line to visit.
func lines(body io.Reader, visit func(line []byte) error) error {
	for in := bufio.NewReaderSize(body, 64<<10); ; {
		line, err := in.ReadSlice('\n')
		if err == io.EOF && len(line) == 0 {
			return nil
		} else if err != nil && err != io.EOF {
			return err
		}
		if err := visit(line); err != nil {
			return err
		}
	}
}

func v2[T any](line []byte, row *T) error { return jsonv2.Unmarshal(line, row) }

// viaSonic has the strings of a row share one copy of the line.
func viaSonic[T any](line []byte, row *T) error { return sonic.UnmarshalString(string(line), row) }

func viaGoccy[T any](line []byte, row *T) error { return goccy.Unmarshal(line, row) }

// gjsonUser walks a row, and has the strings of it share one allocation.
func gjsonUser(line []byte, row *typedUser) (err error) {
	gjson.Parse(string(line)).ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "userId":
			row.ID, err = parseNumber(value.Str)
		case "domainId":
			row.DomainID, err = parseNumber(value.Str)
		case "user":
			row.User = value.Str
		case "displayName":
			row.DisplayName = value.Str
		case "extensionNumber":
			row.ExtensionNumber = value.Str
		case "email":
			row.Email = value.Str
		case "firstName":
			row.FirstName = value.Str
		case "lastName":
			row.LastName = value.Str
		case "jobName":
			row.JobName = value.Str
		case "departmentName":
			row.DepartmentName = value.Str
		case "companyName":
			row.CompanyName = value.Str
		case "officeName":
			row.OfficeName = value.Str
		case "ukCallerId":
			row.UKCallerID = value.Str
		case "usCallerId":
			row.USCallerID = value.Str
		case "mobileNumber":
			row.MobileNumber = value.Str
		case "mobileFollow":
			row.MobileFollow = parseFlag(value.Str)
		case "ukPhoneId":
			row.UKPhoneID, err = parseNumber(value.Str)
		case "usPhoneId":
			row.USPhoneID, err = parseNumber(value.Str)
		case "hotdeskAllowed":
			row.HotdeskAllowed = parseFlag(value.Str)
		case "dashboard":
			row.Dashboard = parseFlag(value.Str)
		case "password":
			row.Password = value.Str
		case "pin":
			row.PIN = value.Str
		}
		return err == nil
	})
	return err
}

// gjsonDevice is gjsonUser for a device.
func gjsonDevice(line []byte, row *typedDevice) (err error) {
	gjson.Parse(string(line)).ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "pbxDeviceId":
			row.ID, err = parseNumber(value.Str)
		case "pbxDeviceName":
			row.Name = value.Str
		case "domainId":
			row.DomainID, err = parseNumber(value.Str)
		case "deviceMacAddress":
			row.MACAddress = value.Str
		case "createDatetime":
			row.Created, err = parseDatetime(value.Str)
		case "updateDatetime":
			row.Updated, err = parseDatetime(value.Str)
		case "userId":
			row.UserID, err = parseNumber(value.Str)
		case "user":
			row.User = value.Str
		}
		return err == nil
	})
	return err
}

// The floors keep nothing.

func lineEnds(line []byte) error {
	if line[len(line)-1] != '\n' {
		return io.ErrUnexpectedEOF
	}
	return nil
}

func valid(line []byte) error {
	if !json.Valid(line) {
		return errors.New("not JSON")
	}
	return nil
}

// scan finds the tokens of a flat object of strings.
func scan(line []byte) error {
	if line[0] != '{' {
		return errors.New("not an object")
	}
	at := 1
	for {
		end, err := scanString(line, at)
		if err != nil || line[end] != ':' {
			return fmt.Errorf("a name at %d: %w", at, err)
		}
		end, err = scanString(line, end+1)
		if err != nil {
			return fmt.Errorf("a value at %d: %w", at, err)
		}
		switch line[end] {
		case ',':
			at = end + 1
		case '}':
			return nil
		default:
			return fmt.Errorf("unexpected %q", line[end])
		}
	}
}

// scanString returns where the string that begins at start has its end.
func scanString(line []byte, start int) (end int, err error) {
	if line[start] != '"' {
		return 0, errors.New("not a string")
	}
	for at := start + 1; ; at++ {
		n := bytes.IndexByte(line[at:], '"')
		if n < 0 {
			return 0, io.ErrUnexpectedEOF
		}
		at += n
		slashes := 0
		for line[at-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return at + 1, nil
		}
	}
}
