# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Sourced, behind steps.bash, by the tools that make a Debian 12 from this host's own package sources.

# Debian's own sources among those of this host, a line each. Other repositories
# are none of its business.
debian_sources() {
        local keyring=/usr/share/keyrings/debian-archive-keyring.gpg options=''

        if [ -e "$keyring" ]; then options="[signed-by=$keyring] "; fi
        # shellcheck disable=SC2016 # the fields are apt's
        apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
                awk -v options="$options" '$1 == "Debian" && $3 ~ /^bookworm/ && $4 == "main" { print "deb " options $2 " " $3 " main" }' |
                sort -u
}

# How this host reaches them (a proxy, an archive that is frozen), as options.
debian_settings() {
        apt-config dump | sed -n -E 's/^(Acquire::(https?::|Check-|Retries).*) "(.*)";$/--aptopt=\1 "\3"/p' | grep -v '""$' || true
}

# debian_make FORMAT PACKAGES OUTPUT [OPTION...]: the root file system, without what is only there to be read. PACKAGES
# have commas between them; the options are mmdebstrap's.
debian_make() {
        local format=$1 packages=$2 output=$3 sources settings
        shift 3

        command -v mmdebstrap >/dev/null || die "mmdebstrap is missing: run tools/deps run"
        sources=$(debian_sources)
        if [ -z "$sources" ]; then
                apt-get -q update >&2 || die "the package lists cannot be read: check apt's sources and the network"
                sources=$(debian_sources)
        fi
        [ -n "$sources" ] || die "apt's sources on this host have no Debian 12 (bookworm, main)"
        mapfile -t settings < <(debian_settings)
        mmdebstrap --variant=minbase --mode=root --include="$packages" "${settings[@]}" \
                --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
                --dpkgopt='path-exclude=/usr/share/locale/*' "$@" \
                --format="$format" bookworm "$output" - <<<"$sources" >&2 ||
                die "mmdebstrap failed: its last words are above"
}
