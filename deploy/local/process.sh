# shellcheck shell=bash
# How a part's process is started, waited for and stopped.
#
# `.local/run/NAME.pid` holds the process id and a stamp of when that process
# started; an id that the kernel has given to another process since is nobody's.

RUN=$LOCAL/run
LOG=$LOCAL/log

# stamp PID: tells this process from any other that had or will have its id.
stamp() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return
  # The command's name, in brackets, may hold spaces: count after it. A zombie has ended.
  read -ra stat <<<"${stat##*) }"
  [[ ${stat[0]} != Z ]] && echo "${stat[19]}@$(</proc/sys/kernel/random/boot_id)"
}

# pid_of NAME: the id of the part's process, if it runs.
pid_of() {
  local pid born
  read -r pid born 2>/dev/null <"$RUN/$1.pid" && [[ -n $born && $(stamp "$pid") == "$born" ]] && echo "$pid"
}

# start_part NAME COMMAND...: runs it in the background, for good. It keeps
# nothing of the caller's open: whoever waits for the end of a pipe would wait
# for the end of the stack.
start_part() {
  local name=$1 pid
  shift
  mkdir -p "$RUN" "$LOG"
  (
    for fd in /proc/self/fd/*; do
      fd=${fd##*/}
      ((fd < 3)) || eval "exec $fd>&-"
    done
    cd /
    exec setsid "$@"
  ) </dev/null >"$LOG/$name.log" 2>&1 &
  pid=$!
  echo "$pid $(stamp "$pid")" >"$RUN/$name.pid"
}

# wait_for NAME LIMIT CHECK...: until CHECK succeeds; LIMIT in seconds. Past
# it, or when the process ends before, the part has failed.
wait_for() {
  local name=$1 limit=$2 start=$EPOCHREALTIME until=$((SECONDS + $2)) why
  shift 2
  until "$@" >/dev/null 2>&1; do
    why="not ready after $limit s"
    [[ ! -e $RUN/$name.pid ]] || pid_of "$name" >/dev/null || why='ended'
    if [[ $why == ended ]] || ((SECONDS >= until)); then
      [[ ! -s $LOG/$name.log ]] || tail -n 20 "$LOG/$name.log" >&2
      fail "$name: $why; the rest of its log: $LOG/$name.log"
    fi
    sleep 0.1
  done
  say "$name ... ready ($(seconds "$start"))"
}

# up_already NAME CHECK...: is there nothing to do? A process that runs but
# fails its check is stopped, to be started anew.
up_already() {
  local name=$1
  shift
  pid_of "$name" >/dev/null || return
  if "$@" >/dev/null 2>&1; then
    say "$name ... already up"
  else
    say "$name ... runs but does not answer: starting it anew"
    stop_part "$name" && false
  fi
}

# stop_part NAME [SECONDS]: asks it to end, and after so many seconds (5) no
# longer asks. Fails only if it is still there then.
stop_part() {
  local name=$1 pid patience=$((${2:-5} * 10)) i
  if pid=$(pid_of "$name"); then
    kill -TERM "$pid" 2>/dev/null || true
    for ((i = 0; i < patience + 20; i++)); do
      pid_of "$name" >/dev/null || break
      ((i != patience)) || kill -KILL "$pid" 2>/dev/null || true
      sleep 0.1
    done
    pid_of "$name" >/dev/null && return 1
  fi
  rm -f "$RUN/$name.pid"
}

# http URL [CURL OPTION...]: does it answer, with success, at once?
http() { curl --silent --fail --max-time 2 --output /dev/null --noproxy '*' "$@"; }
