// Service provisions users over HTTP, for many tenants. Each tenant has an account
// of its own. All accounts share the connections.
//
//	go run ./examples/service
//
// runs on siptest, a server in memory, and needs no account. In another terminal:
//
//	curl -i localhost:8080/tenants/acme/users \
//		-d '{"user": "joe", "password": "a long one", "displayName": "Joe", "extensionNumber": "201"}'
//
// To run on your own account, put INFINITY_API_KEY (or INFINITY_USERNAME and
// INFINITY_PASSWORD) into the environment. Its users are those of the tenant acme:
//
//	go run ./examples/service -live -domain 7
//
// Ctrl-C or SIGTERM ends it when the requests in progress are done. It does not ask
// who its callers are: put that before it.
package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"net/http"

	"github.com/infinitysip/infinitysip/examples/internal/demo"
)

func main() {
	addr := flag.String("addr", "localhost:8080", "the `address` to listen on")
	live := flag.Bool("live", false, "run on your own account instead of siptest")
	domain := demo.DomainFlag(flag.CommandLine)
	demo.Main("service", func(ctx context.Context) error {
		target, err := demo.ConnectToDomain(ctx, *live, *domain)
		if err != nil {
			return err
		}
		defer target.Close()
		service, err := newService(target.Client, map[string]tenant{"acme": {target.Credentials, target.Domain}}, slog.Default())
		if err != nil {
			return err
		}
		slog.Info(target.Note, "address", *addr)
		server, ended := &http.Server{Addr: *addr, Handler: service, ReadTimeout: deadline}, make(chan error, 1)
		context.AfterFunc(ctx, func() { ended <- server.Shutdown(context.WithoutCancel(ctx)) })
		if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return <-ended
	})
}
