package probe

// A question is one that the pages of the API leave open.
type question struct {
	key, what string
	writes    bool // reading alone does not answer it
}

// questions are all of them, in the order of the report.
func questions() []question {
	return []question{
		{"numbers", "Numbers and ids in rows", false},
		{"passwords", "Passwords and PINs in the row of a user", true},
		{"create.user", "Answer to the create of a user", true},
		{"create.group", "Answer to the create of a group", true},
		{"create.queue", "Answer to the create of a queue", true},
		{"create.member", "Answer to the create of a queue member", true},
		{"create.network", "Answer to the create of a trusted network", true},
		{"create.device", "Answer to the create of a device", true},

		{"paging", "limit and offset, where they are documented", false},
		{"filters", "filter and sort, where they are documented", false},
		{"query.domains", "filter, sort, limit and offset on the list of domains", false},
		{"query.users", "filter, sort, limit and offset on the list of users", false},
		{"query.groups", "filter, sort, limit and offset on the list of groups", false},
		{"query.groupUsers", "limit on the list of a group's users", true},
		{"query.members", "limit on the list of queue members", true},
		{"format", "format=jsonarray", false},
		{"display", "display[]", false},
		{"cap", "Most rows in one list", false},
		{"lag", "Time until a list shows a change", true},

		{"unique.user", "Second user of the same name", true},
		{"unique.group", "Second group of the same name", true},
		{"unique.queue", "Second queue of the same name", true},
		{"unique.extension.user", "User with the extension number of a user", true},
		{"unique.extension.group", "Group with the extension number of a user", true},
		{"unique.extension.queue", "Queue with the extension number of a user", true},
		{"unique.network", "Second trusted network of the same address", true},
		{"unique.mac", "Second device with the same MAC address", true},
		{"member.twice", "The same group twice in a queue", true},
		{"user.twice", "Adding a user to a group twice", true},
		{"user.absent", "Removing a user who is not in the group", true},
		{"device.second", "Giving a device that has a user to another", true},

		{"group.partial", "Update of a group with some of its parameters", true},
		{"form.most", "Variables in a form (max_input_vars)", true},
		{"form.query", "POST parameters in the query string", true},
		{"rewrite.user", "What is stored as a user name", true},
		{"rewrite.group", "What is stored as a group name", true},
		{"rewrite.queue", "What is stored as a queue name", true},
		{"rewrite.network", "What is stored as a network", true},
		{"rewrite.mac", "What is stored as a MAC address", true},

		{"path.list", "Paths of networks: the list as trustedNetworks, trustedNetwork", false},
		{"path.read", "Paths of networks: a read as trustednetworks, trustedNetwork", true},
		{"path.create", "Paths of networks: a create as trustednetworks, trustedNetwork", true},
		{"path.update", "Paths of networks: an update as trustednetworks, trustedNetworks", true},
		{"path.delete", "Paths of networks: a delete as trustednetworks, trustedNetworks", true},
		{"path.case", "Other paths in another case: Users", false},

		{"error.400", "Body of a 400", false},
		{"error.404", "Body of a 404", false},
		{"error.409", "Body of a 409", true},
		{"status.deleted", "Status of what is deleted", true},
		{"status.method", "Status of a method that a path does not have", false},

		{"clock", "The server's clock", false},
		{"zone", "Zone of datetimes", true},
		{"http", "HTTP and TLS", false},
		{"framing", "Framing of bodies", false},
		{"connections", "Connections", false},
		{"latency", "Time until an answer", false},
		{"limit", "Limit of requests", false},
		{"limit.headers", "Headers that tell of a limit", false},
		{"idle", "How long an idle connection stays open", false},
	}
}

func questionOf(key string) question {
	for _, q := range questions() {
		if q.key == key {
			return q
		}
	}
	return question{}
}
