# A copy of the library with one judgement broken, and the referee that must find out. What is broken is named by
# the line that is replaced, so that a change of the source that moves the line is noticed here.

setup()
{
    load ../support/helper
}

# is_found WORDS [OPTION...]: within some thousand scenarios there are mismatches, one of them of this kind.
is_found()
{
    run -1 "$programs/referee" --count 4000 --stop 12 "${@:2}"
    [[ $output == *"$1"* ]] || fail "nothing about: $1" "$output"
}
