#!/usr/bin/env bash
# git over http: every bare repository in the git root, those below `private/`
# for one user with a password.
. "$(dirname "$0")/../lib.sh"

answers=(http "http://127.0.0.1:$PORT_GIT/health")
up_already git-http "${answers[@]}" && exit

mkdir -p "$ETC/www" "$GIT_ROOT/private" "$LOG"
echo ok >"$ETC/www/health"
(umask 077 && printf 'kiln:%s\n' "$(secret git-password | openssl passwd -apr1 -stdin)" >"$ETC/git-users")
# `/+`: two slashes are one to git, so they are one to the lock as well.
cat >"$ETC/lighttpd.conf" <<CONF
server.modules = ("mod_auth", "mod_authn_file", "mod_setenv", "mod_alias", "mod_cgi")
server.bind = "127.0.0.1"
server.port = $PORT_GIT
server.document-root = "$ETC/www"
server.breakagelog = "$LOG/git-http-backend.log"
server.stream-response-body = 1
auth.backend = "htpasswd"
auth.backend.htpasswd.userfile = "$ETC/git-users"
\$HTTP["url"] =~ "^/git/+private(/|\$)" {
  auth.require = ("" => ("method" => "basic", "realm" => "private", "require" => "valid-user"))
}
\$HTTP["url"] =~ "^/git/" {
  alias.url = ("/git" => "$(git --exec-path)/git-http-backend")
  cgi.assign = ("" => "")
  setenv.add-environment = (
    "GIT_PROJECT_ROOT" => "$GIT_ROOT",
    "GIT_HTTP_EXPORT_ALL" => "1",
    "GIT_CONFIG_GLOBAL" => "$DEPLOY/gitconfig"
  )
}
CONF
start_part git-http lighttpd -D -f "$ETC/lighttpd.conf"
wait_for git-http 10 "${answers[@]}"
