#!/usr/bin/env bash
# The round of calls with curl: round.sh URL [CA]. The fake API holds what --seed demo
# makes. The round leaves it as it was.
set -euo pipefail
sip=$1/config/v2/sip/domains
trust=()
if [ -n "${2:-}" ]; then trust=(--cacert "$2"); fi

# call METHOD PATH [CURL ARGUMENTS]: sets $status and $body.
call() {
	local method=$1 path=$2
	shift 2
	body=$(curl -sS -g "${trust[@]}" -X "$method" -H "Authorization: ApiKey ${key:-siptest-api-key}" \
		-w '\n%{http_code}' "$@" "$sip$path")
	status=${body##*$'\n'}
	body=${body%$'\n'*}
}
# want GOT PATTERN WHAT
want() {
	# shellcheck disable=SC2053 # it is a pattern
	[[ $1 == $2 ]] || { echo "curl: $3: got $1, want $2"; exit 1; }
}

call GET /1/users
want "$status" 200 'the list'
want "$(grep -c . <<<"$body")" 5 'the users in the list'

call POST /1/users -d user=carl.curl -d password=not-a-secret -d displayName=Carl -d extensionNumber=290
want "$status" 201 'the create'
id=$(sed 's/.*"userId":"\([0-9]*\)".*/\1/' <<<"$body")

call GET "/1/users/$id"
want "$status" 200 'the read'
want "$body" '*"user":"carl.curl"*' 'the user'

call POST "/1/users/$id" --data-urlencode 'displayName=Carl & Cie.'
want "$status" 204 'the update'
call GET "/1/users/$id"
want "$body" '*"displayName":"Carl & Cie."*' 'the new name'

call POST /1/users -d user=carl.curl -d password=x -d displayName=x -d extensionNumber=291
want "$status" 409 'the name that is in use'

call DELETE "/1/users/$id"
want "$status" 204 'the delete'
call GET "/1/users/$id"
want "$status" 404 'the read of what is deleted'

key=wrong call GET /1/users
want "$status" 401 'the wrong key'

names=
for offset in 0 2 4 6; do
	call GET "/1/devices?limit=2&offset=$offset&sort[]=pbxDeviceId-asc"
	want "$status" 200 'the page'
	names+=$(sed -n 's/.*"pbxDeviceId":"\([0-9]*\)".*/\1 /p' <<<"$body" | tr -d '\n')
done
want "$names" '1 2 3 4 5 ' 'the devices of all pages'
echo 'curl: all is well'
