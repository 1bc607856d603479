# For scripts to source: installing packages of Debian or Ubuntu.

without_daemons() { # run a command while apt may start no daemon
    local policy=/usr/sbin/policy-rc.d made='' outcome=0
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod +x $policy
        made=1
    fi
    "$@" || outcome=$?
    [ -z "$made" ] || rm -f $policy
    return $outcome
}
