# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# For scripts that build kernel modules: the tree they are built against, and the build.

tree_die() {
        echo "${0##*/}: $*" >&2
        exit 1
}

# The folder to hand to `make -C`, for WHERE: a kernel tree, kernel-devel.tar.zst, or the folder that holds it. What must be
# unpacked goes into WORK.
kernel_tree() {
        local where=$1 work=$2

        if [ -f "$where/Makefile" ] && [ -f "$where/Module.symvers" ]; then
                realpath -- "$where"
                return
        fi
        if [ -d "$where" ]; then where=$where/kernel-devel.tar.zst; fi
        [ -r "$where" ] || tree_die "$where: no kernel tree; kernel-config/build makes one and prints where it is"
        command -v zstd >/dev/null || tree_die "missing: zstd; install: apt install zstd"
        tar --extract --zstd --file="$where" --directory="$work" || tree_die "$where: cannot be unpacked"
        [ -f "$work/linux-carrel/Module.symvers" ] || tree_die "$where: holds no kernel tree"
        echo "$work/linux-carrel"
}

# Builds the modules of FOLDER (with a Kbuild file) against TREE.
kernel_modules() {
        local tree=$1 folder=$2 log=$2/build.log

        make -C "$tree" M="$folder" ARCH=x86_64 modules >"$log" 2>&1 ||
                tree_die "the modules do not build: $(grep -m 1 -E 'error|Error' "$log" || tail -n 1 "$log")"
}

# MODULES as a list in the order they are to be loaded: each with what it needs of the kernel's own modules in POOL put
# before it, once. Names without a folder; what is neither in MODULES' folder nor in POOL ends the script.
module_order() {
        local folder=$1 pool=$2 module
        shift 2
        local -A visited=()

        for module; do module_visit "$folder" "$pool" "$module"; done
}

module_visit() {
        local folder=$1 pool=$2 module=$3 file needed

        [ -z "${visited[${module//-/_}]-}" ] || return 0
        visited[${module//-/_}]=yes
        file=$(module_file "$folder" "$module") || file=$(module_file "$pool" "$module") ||
                tree_die "module $module: neither built nor among the kernel's own ($pool)"
        for needed in $(modinfo -F depends "$file" | tr , ' '); do module_visit "$folder" "$pool" "$needed"; done
        echo "$file"
}

# The file of MODULE in FOLDER, whether its name has dashes or underscores.
module_file() {
        local file

        for file in "$1"/*.ko; do
                local name=${file##*/}
                name=${name%.ko}
                if [ "${name//-/_}" = "${2//-/_}" ] && [ -e "$file" ]; then
                        echo "$file"
                        return
                fi
        done
        return 1
}

# The manifest FILE with the list of its modules, which is empty there, filled.
manifest_modules() {
        local manifest=$1 file list=''
        shift

        for file; do list+="${list:+,}
    { \"file\": \"modules/${file##*/}\" }"; done
        awk -v list="$list" '{ at = index($0, "\"modules\": []") }
                at { print substr($0, 1, at - 1) "\"modules\": [" list "\n  ]" substr($0, at + 13); next } { print }' "$manifest"
}
