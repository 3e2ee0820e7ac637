#!/bin/sh
# shellcheck shell=dash
# Run by the feed's CI on an emulated router after the installation: test.sh PACKAGE VERSION. No procd runs there.
set -e

[ "$1" = ringpost ] || exit 0

fail() {
	echo "ringpost: $1" >&2
	exit 1
}

[ "$(ringpost --version)" = "ringpost $2" ] || fail "--version says: $(ringpost --version)"

# As installed, it says what to edit, and nothing of the network.
code=0
words=$(ringpost check 2>&1) || code=$?
[ "$code" = 2 ] || fail "check of the file as it came ended with $code: $words"
echo "$words" | grep -q "still the example" || fail "check does not say what to edit: $words"

# A file that is filled in is well, and names what the init script prepares.
filled=$(mktemp)
sed 's/change-me/filled-in/' /etc/ringpost/ringpost.toml >"$filled"
ringpost check -c "$filled" || fail "check of a file that is filled in"
paths=$(ringpost check --paths -c "$filled")
rm -f "$filled"
[ "$paths" = "write /etc/ringpost/journal
write /var/run/ringpost" ] || fail "check --paths says: $paths"

grep -q '^ringpost:' /etc/passwd || fail "there is no user ringpost"
sh -n /etc/init.d/ringpost
[ "$(uci -q get ringpost.main.enabled)" = 1 ] || fail "UCI does not read /etc/config/ringpost"
for file in /etc/config/ringpost /etc/ringpost/ringpost.toml; do
	[ -z "$(find "$file" -perm -004)" ] || fail "everybody may read $file"
done
grep -qx /etc/ringpost/ /lib/upgrade/keep.d/ringpost || fail "a new firmware would lose /etc/ringpost"
