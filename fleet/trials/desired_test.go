//go:build unix

package trials

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
)

// wish is the file that says what a domain should be.
type wish struct {
	Seed   uint64 `json:"seed"`
	Number int    `json:"number"` // of the domain, which its MAC addresses hold
	Rev    int    `json:"rev"`
	Users  int    `json:"users"` // about so many at a time
	Bare   bool   `json:"bare"`  // users alone: no groups, queues, networks and devices
	Odd    string `json:"odd"`   // what is wrong with it: "fails", "panics", "problems"
	Secret string `json:"secret"`
}

func (w wish) rev() string { return fmt.Sprintf("r%d", w.Rev) }

// text is drawn from the seed, the domain and what it is for.
func (w wish) text(what string, i, rev int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %s %d %d", w.Seed, w.Number, what, i, rev))
	return hex.EncodeToString(sum[:])[:24]
}

func (w wish) digits(what string, i, rev int) string {
	n := new(big.Int)
	n.SetString(w.text(what, i, rev), 16)
	return fmt.Sprintf("%018d", n.Mod(n, big.NewInt(1e18)))
}

func userName(i int) string    { return fmt.Sprintf("user.%02d", i) }
func groupName(i int) string   { return fmt.Sprintf("Group %d", i) }
func queueName(i int) string   { return fmt.Sprintf("Queue %d", i) }
func (w wish) pool() int       { return w.Users + w.Users/5 }
func (w wish) here(i int) bool { return w.Users < 5 || (i+w.Rev)%6 != 0 }

// since is the last revision at which something changed that changes once in so many.
func (w wish) since(i, every int) int { return w.Rev - (i+w.Rev)%every }

// state is what the domain should be.
func (w wish) state() (*provision.State, error) {
	switch w.Odd {
	case "fails":
		return nil, errors.New("the store of states is closed for the night")
	case "panics":
		panic("the state is broken beside the password " + w.Secret)
	case "problems":
		return &provision.State{Users: []provision.User{
			{User: "ann", DisplayName: "Ann", ExtensionNumber: "201"},
			{User: "Ann", DisplayName: "Ann again", ExtensionNumber: "202"},
		}}, nil
	}
	s := &provision.State{Users: []provision.User{}}
	swapped := func(i, every int) int { // i, or now and then its neighbour
		if (i/2+w.Rev)%every == 0 {
			return i ^ 1
		}
		return i
	}
	for i := range w.pool() &^ 1 {
		if !w.here(i) {
			continue
		}
		u := provision.User{
			User: userName(i), DisplayName: fmt.Sprintf("User %d of %d", i, w.since(i, 5)), ExtensionNumber: fmt.Sprint(1000 + swapped(i, 7)),
			Email: new(fmt.Sprintf("%s@domain%d.example.com", userName(i), w.Number)),
		}
		if i%3 == 0 {
			u.Password = infinitysip.NewSecret("Given" + w.text("password", i, w.Rev))
		}
		switch i % 8 {
		case 1:
			u.HotdeskAllowed, u.PIN = new(true), infinitysip.NewSecret(w.digits("pin", i, w.Rev))
		case 5:
			u.HotdeskAllowed = new(true)
		}
		s.Users = append(s.Users, u)
	}
	if w.Bare {
		return s, nil
	}
	for g := range 3 {
		group := provision.Group{Name: groupName(g), DisplayName: fmt.Sprintf("Group %d of %d", g, w.since(g, 4)), ExtensionNumber: fmt.Sprint(3000 + g), Members: []string{}}
		for i := range w.pool() &^ 1 {
			if w.here(i) && (i+w.since(i, 3))%3 == g {
				group.Members = append(group.Members, userName(i))
			}
		}
		s.Groups = append(s.Groups, group)
	}
	for q := range 2 {
		queue := provision.Queue{Name: queueName(q), ExtensionNumber: fmt.Sprint(4000 + q), Members: []provision.QueueMember{}}
		for m := range 2 {
			queue.Members = append(queue.Members, provision.QueueMember{Group: groupName((m + q + w.since(q, 3)) % 3)})
		}
		s.Queues = append(s.Queues, queue)
	}
	s.TrustedNetworks = []provision.TrustedNetwork{{Network: "10.0.20.0/24", Description: new(w.rev())}, {Network: fmt.Sprintf("10.0.%d.0/24", 100+w.since(0, 4)%100)}}
	s.Devices = []provision.Device{}
	for i := range w.pool() &^ 1 {
		owner := swapped(i, 5)
		if !w.here(i) {
			continue
		}
		device := provision.Device{MACAddress: fmt.Sprintf("02:00:5E:%02X:%02X:%02X", w.Number>>8, w.Number&255, i), Owner: new(userName(i))}
		if w.here(owner) {
			device.Owner = new(userName(owner))
		}
		s.Devices = append(s.Devices, device)
	}
	return s, nil
}

// wishes are the files, in a directory for each account.
type wishes string

func (dir wishes) file(account, domain string) string {
	return filepath.Join(string(dir), account, domain+".json")
}

func (dir wishes) read(account, domain string) (w wish, err error) {
	text, err := os.ReadFile(dir.file(account, domain))
	if err == nil {
		err = json.Unmarshal(text, &w)
	}
	return w, err
}

func (dir wishes) write(account, domain string, w wish) error {
	text, err := json.Marshal(w)
	if err != nil {
		return err
	}
	name := dir.file(account, domain)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(name+".new", text, 0o644); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}
