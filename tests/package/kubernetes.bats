#!/usr/bin/env bats
# The Kubernetes manifest of libsafeclose(7), as groff shows it: read as YAML, and played. Each container gets a root of its
# own, a layer over this machine's; the volume that they share is what the manifest says they share.

# shellcheck disable=SC2016 # much here is for ruby or another shell

load ../support/helper

setup_file()
{
    groff -mdoc -Tutf8 -P-cbu "${BUILD:-$top/build}/man/libsafeclose.7" | sed -n '/^ *apiVersion:/,/readOnly:/p' >"$BATS_FILE_TMPDIR/manifest"
}

# The facts of the manifest, a shell's assignments; a key that is missing ends it.
facts()
{
    ruby -ryaml -rshellwords -e '
        pod = YAML.safe_load($stdin.read).fetch("spec").fetch("template").fetch("spec")
        volume, = pod.fetch("volumes")
        raise "the volume is kept" unless volume.fetch("emptyDir") == {}
        init, = pod.fetch("initContainers")
        main, = pod.fetch("containers")
        mounts = [init, main].map { |c| c.fetch("volumeMounts").find { |m| m.fetch("name") == volume.fetch("name") } }
        puts "init_mount=#{mounts[0].fetch("mountPath").shellescape}"
        puts "init_command=(#{init.fetch("command").shelljoin})"
        puts "main_mount=#{mounts[1].fetch("mountPath").shellescape}"
        puts "main_read_only=#{mounts[1].fetch("readOnly")}"
        puts "main_env=(#{main.fetch("env").map { |e| "#{e.fetch("name")}=#{e.fetch("value")}" }.shelljoin})"
    ' <"$BATS_FILE_TMPDIR/manifest"
}

# pod ENV...: the init container, then the main one, which runs a server that closes early and its client; ENV replaces
# what the manifest sets. The first one's image has the library where Debian's package has it.
pod()
{
    eval "$(facts)"
    unshare -m "$BASH" -euo pipefail -c '
        container()
        {
            mkdir -p "$1"/{upper,work,root}
            mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" none "$1/root"
            mount --rbind /proc "$1/root/proc"
            mount --rbind /dev "$1/root/dev"
            mkdir -p "$1/root$2"
            mount --bind /mnt/volume "$1/root$2"
        }
        mount -t tmpfs none /mnt
        mkdir /mnt/volume
        container /mnt/init "$1"
        install -m 644 "$LIBSAFECLOSE" "/mnt/init/root/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)/libsafeclose.so"
        container /mnt/main "$2"
        cp "$3" /mnt/main/root/tmp/try-close
        mount -o remount,bind,ro "/mnt/main/root$2"
        shift 3
        chroot /mnt/init/root "${@:2:$1}"
        shift $(($1 + 1))
        chroot /mnt/main/root env "$@" perl /tmp/try-close' - \
        "$init_mount" "$main_mount" "$top/scripts/package/try-close" "${#init_command[@]}" "${init_command[@]}" \
        "${main_env[@]}" "$@" 3>&-
}

@test "the program's container has the library of the init container, and tells of its reset" {
    run -0 --separate-stderr pod
    same 'the answer, ECONNRESET' "$output"
    matches ': RST \[unread-data\] 19 bytes unread' "$stderr"
}

@test "with another mode in its environment nothing is reset" {
    run -0 pod SAFECLOSE_MODE=linger SAFECLOSE_LOG=none
    same 'the answer, EOF' "$output"
}

@test "the program's container can't change the library" {
    eval "$(facts)"
    same true "$main_read_only"
    matches "^$main_mount/" "$(printf '%s\n' "${main_env[@]}" | sed -n 's/^LD_PRELOAD=//p')"
}
