# What a `RUN` of a hostile Dockerfile can find. Each finding is a line `what=value`; the test says
# which may be there. It says no value of a secret: images are kept.
say() { printf '%s=%s\n' "$1" "$2"; }
everywhere() { find / \( -path /proc -o -path /sys \) -prune -o "$@" -print 2>/dev/null; }
one_line() { sort -u | tr '\n' ' ' | sed 's/ $//'; }

say uid "$(id -u)"
for word in CapEff CapBnd NoNewPrivs Seccomp; do
  say "$word" "$(awk -v word="$word:" '$1 == word { print $2 }' /proc/self/status)"
done

# Credentials: tokens, and what is in the environment or the arguments of any process it can see.
say tokens "$(everywhere -path '*serviceaccount*' | one_line)"
say env "$(cat /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' | sed -n 's/^\([A-Z0-9_]*\)=.*/\1/p' | one_line)"
say processes "$(cat /proc/[0-9]*/comm 2>/dev/null | one_line)"
say signed "$({
  cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | grep -c 'X-Amz-Sign[a]ture=[0-9a-f]'
  grep -rls --exclude-dir=proc --exclude-dir=sys 'X-Amz-Sign[a]ture=[0-9a-f]' / 2>/dev/null
} | grep -v '^0$' | one_line)"
say login "$(grep -c '"auths"' /kaniko/.docker/config.json 2>/dev/null)"

# What is mounted: place, whether it can be written, and which directory of its volume it is.
say mounts "$(awk '$5 ~ "^/(kiln|kaniko|var/run|run)" { split($6, o, ","); print $5 ":" o[1] }' /proc/self/mountinfo | one_line)"
say part "$(awk '$5 == "/kiln/context" { print $4 }' /proc/self/mountinfo)"
say kiln "$(find /kiln -mindepth 1 -maxdepth 2 -not -path '*/..*' 2>/dev/null | one_line)"

# The contexts of other builds, packed and unpacked. Its own has the control, which shows that the
# search finds. The words are in two parts, or this file had them.
holders() {
  {
    grep -rls --exclude-dir=proc --exclude-dir=sys "$1" /
    for packed in $(everywhere -name '*.tar.gz'); do
      zcat "$packed" 2>/dev/null | grep -q "$1" && echo "$packed"
    done
  } | one_line
}
say neighbours "$(holders "neighbour's ""marker")"
say control "$(holders "neighbour's ""control")"

# The machine below: devices, sockets, and what can be written or mounted.
say devices "$(find /dev -type b 2>/dev/null | one_line)"
say sockets "$(everywhere -type s | one_line)"
say writable "$(for place in /kiln /kiln/context /kaniko/.docker /sys /proc/sys/kernel; do
  touch "$place/probe" 2>/dev/null && echo "$place"
done | one_line)"
say mount "$(mount -t tmpfs none /mnt 2>/dev/null && echo mounted)"

# What a context is when it has arrived, however it came.
say files "$(find /app -printf '%P %y %m %U %G %s %l;' | tr ';' '\n' | grep -v '^probe' | sort | tr '\n' ';')"
