# shellcheck shell=bash disable=SC2154
# What the servers in this folder share: one folder per instance, and start | env | stop | wipe on it.
# A server's script sets $programs (in the order they start; the first one's port is the instance's), $ports (how many
# in a row it needs), $key and $secret, and defines `launch` (spawn every program, then wait for each).

log() { echo "${0##*/}: $*" >&2; }
die() {
    log "$*"
    [[ -z ${starting:-} ]] || halt_all
    exit 1
}

# NAME.pid holds "pid start-time", so that a pid which now belongs to another process is not taken for ours.
# A zombie counts as gone: nobody may ever collect it.
started_at() { sed -n 's/^.*) \([^ZX] \)/\1/p' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
alive() { # NAME
    local pid at now
    [[ -s $dir/$1.pid ]] || return 1
    read -r pid at <"$dir/$1.pid"
    now=$(started_at "$pid") || true
    [[ -n $now && $now == "$at" ]]
}
all_alive() {
    local name
    for name in "${programs[@]}"; do alive "$name" || return 1; done
}
spawn() { # NAME command...
    local name=$1 pid
    shift
    (
        exec 8>&- # the instance's lock ends with this script; the lock on its ports (9) stays with its programs
        cd /
        exec setsid env "S3_INSTANCE=$dir/$name" "$@"
    ) >>"$dir/$name.log" 2>&1 </dev/null &
    pid=$!
    disown "$pid"
    echo "$pid $(started_at "$pid")" >"$dir/$name.pid"
}
# Every process of an instance has S3_INSTANCE=DIR/NAME in its environment: so a worker whose parent was killed is
# found too, and never somebody else's process.
pids_of() { grep -lszxF "S3_INSTANCE=$dir/$1" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 || true; }
halt() { # NAME: ask its parent process, then make an end of what is left
    local name=$1 pid at i left
    if alive "$name"; then
        read -r pid at <"$dir/$name.pid"
        kill -TERM "$pid" 2>/dev/null || true
        for ((i = 0; i < 50; i++)); do
            alive "$name" || break
            sleep 0.1
        done
    fi
    for ((i = 0; i < 50; i++)); do
        mapfile -t left < <(pids_of "$name")
        ((${#left[@]})) || break
        kill -KILL "${left[@]}" 2>/dev/null || true
        sleep 0.05
    done
    rm -f "$dir/$name.pid"
}
halt_all() {
    local i
    for ((i = ${#programs[@]} - 1; i >= 0; i--)); do halt "${programs[i]}"; done
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
wait_for() { # SECONDS NAME command...
    local end=$((SECONDS + $1)) name=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        if ! alive "$name"; then
            tail -n 20 "$dir/$name.log" >&2
            die "$name ended; the lines above are the last of $dir/$name.log"
        fi
        if ((SECONDS >= end)); then
            tail -n 20 "$dir/$name.log" >&2
            die "$name is not ready; the lines above are the last of $dir/$name.log"
        fi
        sleep 0.05
    done
}

# A block of $ports ports below the range that the kernel hands out. The lock on a block is inherited by the programs
# and ends with the last of them: two starts at the same moment never get the same block.
claim_block() { # FIRST PORT; fails when it is taken
    local first=$1 i
    exec 9>"$locks/$first"
    flock -n 9 || return 1
    for ((i = 0; i < ports; i++)); do
        if listens $((first + i)); then return 1; fi
    done
    port=$first
}
claim_ports() {
    local i
    locks=${XDG_RUNTIME_DIR:-/tmp}/s3-test-ports.$(id -u)
    mkdir -p "$locks"
    if [[ -n ${port:-} ]]; then
        claim_block "$port" || die "ports $port to $((port + ports - 1)) are not all free; choose others with S3_PORT"
        return
    fi
    for ((i = 0; i < 200; i++)); do
        if claim_block $((20000 + RANDOM % 1500 * 8)); then return; fi
    done
    die "found no free ports between 20000 and 32000"
}

show_env() {
    echo "AWS_ENDPOINT_URL=${scheme:-http}://127.0.0.1:$port"
    echo "AWS_ACCESS_KEY_ID=$key"
    echo "AWS_SECRET_ACCESS_KEY=$secret"
    echo "AWS_DEFAULT_REGION=us-east-1"
    [[ -z ${ca_file:-} ]] || echo "AWS_CA_BUNDLE=$ca_file"
}
save() { # VARIABLE...: what the other commands and the next start need
    local name
    for name in "$@"; do printf '%s=%q\n' "$name" "${!name:-}"; done >"$dir/instance"
}
load() {
    # shellcheck source=/dev/null
    [[ ! -f $dir/instance ]] || . "$dir/instance"
}

# S3_OWNER=PID: when that process ends, in whatever way, the instance ends too.
watch_owner() {
    [[ -n ${S3_OWNER:-} ]] || return 0
    # The lock's descriptors are not for the watcher; it leaves when somebody else stopped the instance.
    setsid "$BASH" "$(realpath "$0")" watch "$dir" "$S3_OWNER" 8>&- 9>&- >/dev/null 2>&1 </dev/null &
    disown
}
watch() { # PID
    local at mine
    at=$(started_at "$1") || true
    mine=$(<"$dir/${programs[0]}.pid")
    while [[ -n $at && $(started_at "$1") == "$at" ]]; do
        sleep 0.5
        alive "${programs[0]}" || exit 0
    done
    # What was started here in the meantime is another owner's.
    [[ $(cat "$dir/${programs[0]}.pid" 2>/dev/null) == "$mine" ]] || exit 0
    exec "$BASH" "$(realpath "$0")" stop "$dir"
}

start() {
    exec 8>"$dir/lock"
    flock 8
    local given=${S3_PORT:-}
    load
    if all_alive; then
        if ready; then
            show_env
            return
        fi
    fi
    halt_all # what a crash left over
    port=${given:-${port:-}}
    claim_ports
    starting=1
    launch
    starting=
    watch_owner
    show_env
}

main() { # start|env|stop|wipe DIR
    local command=${1:-} usage="usage: ${0##*/} start|env|stop|wipe DIR"
    [[ $command =~ ^(start|env|stop|wipe|watch)$ && -n ${2:-} ]] || { echo "$usage" >&2; exit 64; }
    dir=$2
    if [[ $command == start ]]; then
        mkdir -p "$dir"
    elif [[ ! -d $dir ]]; then
        [[ $command != env ]] || die "$dir: nothing was started there"
        exit 0
    fi
    dir=$(cd "$dir" && pwd)
    [[ $dir != *[[:space:]\'\"]* ]] || die "$dir: the folder's path must not hold blanks or quotes"
    case $command in
        start) start ;;
        env) load && [[ -n ${port:-} ]] || die "$dir: nothing was started there" && show_env ;;
        stop) halt_all ;;
        watch) watch "$3" ;;
        wipe)
            load
            halt_all
            rm -rf "$dir"
            ;;
    esac
}
