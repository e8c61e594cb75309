#!/usr/bin/env bash
# git over ssh: the same repositories, for one key, to read and nothing else.
. "$(dirname "$0")/../lib.sh"

answers=(ssh-keyscan -T 2 -t ed25519 -p "$PORT_GIT_SSH" 127.0.0.1)
up_already git-ssh "${answers[@]}" && exit

dir=$LOCAL/ssh
mkdir -p "$dir" /run/sshd "$GIT_ROOT"
chmod 700 "$dir"
for key in host client; do
  [[ -s $dir/$key ]] || ssh-keygen -q -t ed25519 -N '' -C "$STACK" -f "$dir/$key"
done
echo "[127.0.0.1]:$PORT_GIT_SSH $(cut -d' ' -f1-2 "$dir/host.pub")" >"$dir/known_hosts"
printf 'restrict %s\n' "$(<"$dir/client.pub")" >"$dir/authorized_keys"

# What a client asks for, in the git root; `git-shell` splits and runs it.
cat >"$dir/serve" <<SH
#!/bin/sh
path=\${SSH_ORIGINAL_COMMAND#"git-upload-pack '"}
path=\${path%"'"}
case \$path in
"\$SSH_ORIGINAL_COMMAND" | *..* | *"'"*) echo 'only git-upload-pack of a repository here' >&2; exit 1 ;;
esac
export GIT_CONFIG_GLOBAL="$DEPLOY/gitconfig"
exec git-upload-pack "$GIT_ROOT/\${path#/}"
SH
chmod 755 "$dir/serve"

# An account whose password is locked may log in only where PAM is asked.
case $(getent shadow root) in root:!*) pam=yes ;; *) pam=no ;; esac
cat >"$dir/sshd_config" <<CONF
ListenAddress 127.0.0.1:$PORT_GIT_SSH
HostKey $dir/host
AuthorizedKeysFile $dir/authorized_keys
AuthenticationMethods publickey
PermitRootLogin prohibit-password
AllowUsers root
ForceCommand $dir/serve
# The checkout may lie in a directory that others may write to.
StrictModes no
UsePAM $pam
PidFile none
CONF
start_part git-ssh /usr/sbin/sshd -D -e -f "$dir/sshd_config"
wait_for git-ssh 10 "${answers[@]}"
