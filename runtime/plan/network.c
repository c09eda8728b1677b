/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The network is not planned: what it is, is known at `start` only (engines move interfaces into the namespace before
 * `create`, in hooks, or after it). The machine gets cards, whose taps lead nowhere until then.
 */
#include "runtime/plan/planner.h"

#include "common/base/mem.h"
#include "common/base/str.h"

#define RESOLV_CONF "/etc/resolv.conf"

/* Who is not root can put nothing into a namespace of the container's own, except from hooks. */
static bool stays_empty(const Planner *p) {
        return p->facts->own_uid != 0 && !p->plan->launch.network_joined && !p->spec->hooks;
}

void planner_network(Planner *p) {
        LaunchPlan *launch = &p->plan->launch;

        launch->network_joined = oci_namespace_path(p->spec->linux_, "network") != NULL;
        launch->network_cards = stays_empty(p) ? 0 : p->config->network_cards;
        if (!p->facts->tun && launch->network_cards > 0) {
                planner_warn(p, "network: there is no /dev/net/tun on this host, or it cannot be opened, so "
                                "the container "
                                "has no network; run modprobe tun");
                launch->network_cards = 0;
        }
        p->plan->vm.network_cards = launch->network_cards;
        for (size_t i = 0; i < p->spec->n_mounts; i++) {
                const OciMount *m = &p->spec->mounts[i];

                if (streq(m->destination, RESOLV_CONF) && m->source && *m->source == '/') {
                        free(launch->resolv_conf);
                        launch->resolv_conf = xstrdup(m->source);
                }
        }
}
