package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/infinitysip/infinitysip"
)

// deadline is the time for a request, looks after a lost answer included.
const deadline = 20 * time.Second

type tenant struct {
	credentials infinitysip.Credentials
	domain      infinitysip.DomainID
}

// A reply is the body of every answer.
type reply struct {
	ID      infinitysip.UserID       `json:"id,omitempty"`
	Problem string                   `json:"problem,omitempty"`
	Fields  []infinitysip.FieldError `json:"fields,omitempty"`
	Found   []int64                  `json:"found,omitempty"` // the users that may be the new one
}

func newService(shared *infinitysip.Client, tenants map[string]tenant, log *slog.Logger) (http.Handler, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, reply{}) })
	for name, t := range tenants {
		client, err := shared.WithCredentials(t.credentials, infinitysip.WithLogger(log.With("tenant", name)))
		if err != nil {
			return nil, err
		}
		mux.HandleFunc("POST /tenants/"+name+"/users", func(w http.ResponseWriter, r *http.Request) {
			var user infinitysip.UserCreateParams
			body := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16))
			body.DisallowUnknownFields()
			if body.Decode(&user) != nil {
				answer(w, http.StatusBadRequest, reply{Problem: "the body is not a user in JSON"})
				return
			}
			// A caller that hangs up does not stop a create halfway.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), deadline)
			defer cancel()
			id, err := client.Users.Create(ctx, t.domain, user)
			if err != nil { // which WithLogger warns of
				fail(w, err)
				return
			}
			log.Info("created a user", "tenant", name, "id", id)
			answer(w, http.StatusCreated, reply{ID: id})
		})
	}
	return mux, nil
}

// fail tells the caller what to do. The log has the rest.
func fail(w http.ResponseWriter, err error) {
	invalid, failed := new(infinitysip.ValidationError), new(infinitysip.Error)
	errors.As(err, &failed)
	switch {
	case errors.Is(err, infinitysip.ErrOutcomeUnknown), failed.Outcome == infinitysip.OutcomeApplied:
		answer(w, http.StatusBadGateway, reply{Problem: "the user may have been created: look before you try again", Found: failed.Found})
	case errors.As(err, &invalid):
		answer(w, http.StatusBadRequest, reply{Problem: "invalid", Fields: invalid.Fields})
	case errors.Is(err, infinitysip.ErrInvalid):
		answer(w, http.StatusBadRequest, reply{Problem: failed.Message}) // the API's words
	case errors.Is(err, infinitysip.ErrConflict):
		answer(w, http.StatusConflict, reply{Problem: failed.Message})
	case errors.Is(err, infinitysip.ErrRateLimited), errors.Is(err, infinitysip.ErrUnavailable), failed.StatusCode == 0: // no connection
		w.Header().Set("Retry-After", fmt.Sprintf("%d", 1+max(failed.RetryAfter, 5*time.Second)/time.Second)) // rounded up
		answer(w, http.StatusServiceUnavailable, reply{Problem: "not created: try again later"})
	default: // such as credentials that the API refuses, which are not the caller's
		answer(w, http.StatusInternalServerError, reply{Problem: "not created"})
	}
}

func answer(w http.ResponseWriter, status int, body reply) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the caller may be gone
}
