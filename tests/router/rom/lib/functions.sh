# shellcheck shell=dash
# Stands in for OpenWrt's functions.sh: UCI files with one section, users, and what packages do when they come and go.

config_load() { CONFIG=/etc/config/$1; }
# config_get VARIABLE SECTION OPTION [DEFAULT]
config_get() {
	local found
	found=$(sed -n "s/^[[:space:]]*option $3 '\(.*\)'\$/\1/p" "$CONFIG" 2>/dev/null | tail -n 1)
	found=${found:-$4}
	eval "$1=\$found"
}
config_get_bool() {
	config_get "$@"
	eval "case \$$1 in 1 | on | true | yes | enabled) $1=1 ;; 0 | off | false | no | disabled) $1=0 ;; *) $1=\$4 ;; esac"
}

user_exists() { grep -qs "^$1:" "$IPKG_INSTROOT/etc/passwd"; }
group_exists() { grep -qs "^$1:" "$IPKG_INSTROOT/etc/group"; }
# first_free FILE: the first number from 32768 that nobody has.
first_free() { awk -F: '{ there[$3] = 1 } END { for (id = 32768; id in there; id++); print id }' "$IPKG_INSTROOT/etc/$1"; }
# add_users NAME:GROUP...
add_users() {
	local pair user group gid
	for pair; do
		user=${pair%%:*} group=${pair#*:}
		group_exists "$group" || echo "$group:x:$(first_free group):" >>"$IPKG_INSTROOT/etc/group"
		gid=$(sed -n "s/^$group:[^:]*:\([0-9]*\):.*/\1/p" "$IPKG_INSTROOT/etc/group")
		user_exists "$user" && continue
		echo "$user:x:$(first_free passwd):$gid:$user:/var/run/$user:/bin/false" >>"$IPKG_INSTROOT/etc/passwd"
		echo "$user:x:0:0:99999:7:::" >>"$IPKG_INSTROOT/etc/shadow"
	done
}

# The init scripts of the package whose script this is.
init_scripts() { sed -n '/^\/etc\/init\.d\//p' "${1%.*}.list"; }

# default_postinst SCRIPT WORDS...: users; on a live system what the package itself does; then its services.
default_postinst() {
	local script code=0
	# shellcheck disable=SC2046
	add_users $(sed -n 's/^Require-User: //p' "${1%.*}.control")
	if [ -z "$IPKG_INSTROOT" ] && [ -f "$1-pkg" ]; then
		# shellcheck disable=SC1090
		(. "$1-pkg")
		code=$?
	fi
	for script in $(init_scripts "$1"); do
		[ "$PKG_UPGRADE" = 1 ] || sh "$IPKG_INSTROOT/etc/rc.common" "$IPKG_INSTROOT$script" enable
		[ -n "$IPKG_INSTROOT" ] || "$script" start
	done
	return $code
}
default_prerm() {
	local script
	# shellcheck disable=SC1090
	if [ -f "$1-pkg" ]; then (. "$1-pkg"); fi
	for script in $(init_scripts "$1"); do
		[ "$PKG_UPGRADE" = 1 ] || sh "$IPKG_INSTROOT/etc/rc.common" "$IPKG_INSTROOT$script" disable
		[ -n "$IPKG_INSTROOT" ] || "$script" stop
	done
}
