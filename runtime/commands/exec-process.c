/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/commands/exec-process.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"

static Json *strings(char *const *v) {
        Json *array = json_new_array();

        STRV_FOR_EACH (s, v)
                json_append(array, json_new_string(*s));
        return array;
}

/* A copy of OBJECT's array KEY, or an empty one, with V behind it. */
static void extend(Json *object, const char *key, char *const *v) {
        const Json *old = json_get(object, key);
        Json *array = json_new_array();

        for (size_t i = 0; i < json_count(old); i++)
                json_append(array, json_copy(json_item(old, i)));
        STRV_FOR_EACH (s, v)
                json_append(array, json_new_string(*s));
        json_set(object, key, array);
}

int exec_process_add_env(Json *process, char *const *env, Error *err) {
        STRV_FOR_EACH (variable, env)
                if (!strchr(*variable, '=') || **variable == '=')
                        return error_set(err, EINVAL, "invalid environment variable: \"%s\"", *variable);
        if (env)
                extend(process, "env", env);
        return 0;
}

static int parse_id(const char *text, const char *option, uint64_t *ret, Error *err) {
        if (str_to_u64(text, 10, UINT32_MAX - 1, ret))
                return 0;
        return error_set(err, EINVAL, "--%s: expected a number, found \"%s\"", option, text);
}

static int set_user(Json *process, const ExecChanges *changes, Error *err) {
        const Json *old = json_get(process, "user");
        Json *user = old ? json_copy(old) : json_new_object();
        uint64_t id;
        int r = 0;

        if (changes->user) {
                const char *colon = strchr(changes->user, ':');
                cleanup_free char *uid = colon ? xstrndup(changes->user, (size_t)(colon - changes->user))
                                               : xstrdup(changes->user);

                r = parse_id(uid, "user", &id, err);
                if (r >= 0)
                        json_set(user, "uid", json_new_uint64(id));
                if (r >= 0 && colon)
                        r = parse_id(colon + 1, "user", &id, err);
                if (r >= 0 && colon)
                        json_set(user, "gid", json_new_uint64(id));
        }
        if (r >= 0 && changes->additional_gids) {
                Json *gids = json_new_array();

                STRV_FOR_EACH (gid, changes->additional_gids)
                        if (r >= 0 && (r = parse_id(*gid, "additional-gids", &id, err)) >= 0)
                                json_append(gids, json_new_uint64(id));
                json_set(user, "additionalGids", gids);
        }
        json_set(process, "user", user);
        return r;
}

/* "sys_admin" is as good as "CAP_SYS_ADMIN". */
static char *capability_name(const char *given) {
        char *name = strncasecmp(given, "cap_", 4) == 0 ? xstrdup(given) : xasprintf("CAP_%s", given);

        for (char *p = name; *p; p++)
                *p = (char)toupper((unsigned char)*p);
        return name;
}

static void add_capabilities(Json *process, char *const *caps) {
        static const char *const sets[] = { "bounding", "effective", "permitted", "ambient" };
        const Json *old = json_get(process, "capabilities");
        Json *capabilities = old ? json_copy(old) : json_new_object();
        cleanup_strv char **names = NULL;

        STRV_FOR_EACH (cap, caps)
                strv_take(&names, capability_name(*cap));
        for (size_t i = 0; i < ELEMENTS_OF(sets); i++)
                extend(capabilities, sets[i], names);
        json_set(process, "capabilities", capabilities);
}

int exec_process_make(const Json *config, const ExecChanges *changes, Json **ret, Error *err) {
        cleanup_json Json *process = json_copy(json_get(config, "process"));
        int r;

        if (!changes->args)
                return error_set(err, EINVAL, "process args cannot be empty");
        if (json_type(process) != JSON_OBJECT)
                return error_set(err, EINVAL, "the container's config.json has no process");
        json_set(process, "args", strings(changes->args));
        json_set(process, "terminal", json_new_bool(changes->tty));
        json_set(process, "consoleSize", NULL);
        if (changes->cwd)
                json_set(process, "cwd", json_new_string(changes->cwd));
        if (changes->no_new_privs)
                json_set(process, "noNewPrivileges", json_new_bool(true));
        if (changes->apparmor)
                json_set(process, "apparmorProfile", json_new_string(changes->apparmor));
        if (changes->selinux_label)
                json_set(process, "selinuxLabel", json_new_string(changes->selinux_label));
        if (changes->caps)
                add_capabilities(process, changes->caps);
        r = exec_process_add_env(process, changes->env, err);
        if (r >= 0)
                r = set_user(process, changes, err);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(process);
        return 0;
}
