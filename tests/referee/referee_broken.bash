# A copy of the library with one judgement broken, and the referee that must find out. What is broken is named by
# the line that is replaced, so that a change of the source that moves the line is noticed here.

setup()
{
    load ../support/helper
}

# is_found WORDS [OPTION...]: within some thousand scenarios there are mismatches, one of them of this kind. $from is the
# scenario at which it was seen; where it stands somewhere else by now the search only takes longer.
is_found()
{
    local seed
    for ((seed = ${from:-1}; seed < ${from:-1} + 4000; seed += 100)); do
        run "$programs/referee" --first "$seed" --count 100 --stop 100 "${@:2}"
        ((status <= 1)) || fail "the referee ends with $status" "$output"
        [[ $output != *"$1"* ]] || return 0
    done
    fail "nothing about: $1" "$output"
}
