# SPDX-License-Identifier: Apache-2.0
"""What the figures of tools/bench share: commands, bundles, plain machines, tables."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def die(text):
    sys.exit('tools/bench: ' + text)


def run(*argv, **more):
    # through files: a container's monitor keeps standard output and error, and a pipe would not end before it
    with tempfile.TemporaryFile('w+') as out, tempfile.TemporaryFile('w+') as err:
        status = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, check=False, **more).returncode
        out.seek(0)
        err.seek(0)
        if status != 0:
            die('%s: %s' % (' '.join(argv), err.read().strip() or 'status %d' % status))
        return out.read()


def seconds(*argv, **more):
    """What a command takes by the clock."""
    begin = time.monotonic()
    run(*argv, **more)
    return time.monotonic() - begin


def take_turns(runs, **measures):
    """{name: [figures]} of functions that give one figure. One after the other, again and again: what slows the machine down
    for a while slows all of them down. The first turn warms caches up."""
    figures = {name: [] for name in measures}
    for turn in range(runs + 1):
        for name, measure in measures.items():
            figure = measure()
            if turn > 0:
                figures[name].append(figure)
    return figures


def median(values):
    values = sorted(values)
    return values[len(values) // 2]


def spread(values):
    return {'median': median(values), 'min': min(values), 'max': max(values)}


@contextlib.contextmanager
def own_cgroup():
    """A function for a child to call before it executes a plain machine: on a busy host a cgroup gets the share of one process,
    and containers are in one. Version 1 or 2."""
    tops = ['/sys/fs/cgroup/cpu', '/sys/fs/cgroup']
    folder = next(top for top in tops if os.path.exists(top + '/cgroup.procs')) + '/carrel-bench-' + os.urandom(4).hex()

    def enter():
        os.makedirs(folder, exist_ok=True)
        with open(folder + '/cgroup.procs', 'w') as file:
            file.write('0')
    try:
        yield enter
    finally:
        with contextlib.suppress(FileNotFoundError):  # somebody tidies up
            os.rmdir(folder)


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            die('%s is missing: tools/deps installs it' % program)


def wait_for(what, ready, limit=60):
    end = time.monotonic() + limit
    while not ready():
        if time.monotonic() > end:
            die('%s: not within %d s' % (what, limit))
        time.sleep(0.05)


def isolate():
    """Goes on where network, mounts and processes are the bench's own."""
    if 'CARREL_ISOLATED' not in os.environ:
        helper = TOP + '/tests/lib/isolated'
        os.execv(helper, [helper, sys.executable, *sys.argv])


def make_rootfs(folder):
    os.makedirs(folder + '/bin')
    for name in ('proc', 'sys', 'dev', 'tmp'):
        os.mkdir(folder + '/' + name)
    shutil.copy('/bin/busybox', folder + '/bin/busybox')
    for name in ('sh', 'true', 'sleep', 'cat'):
        os.symlink('busybox', folder + '/bin/' + name)


def make_bundle(carrel, folder, args, **changes):
    """A busybox bundle as `carrel spec` makes it, without a terminal."""
    make_rootfs(folder + '/rootfs')
    run(carrel[0], 'spec', '--bundle', folder)
    with open(folder + '/config.json') as file:
        config = json.load(file)
    config['process'].update(terminal=False, args=args)
    config['ociVersion'] = '1.0.2'  # the newest that crun of Debian 12 takes
    config['linux'].update(changes)
    write_config(folder, config)
    return folder


def write_config(folder, config):
    with open(folder + '/config.json', 'w') as file:
        json.dump(config, file)


def join_network(folder, path):
    with open(folder + '/config.json') as file:
        config = json.load(file)
    for namespace in config['linux']['namespaces']:
        if namespace['type'] == 'network':
            namespace['path'] = path
    write_config(folder, config)


def carrel_command(options, folder, **configuration):
    """carrel with a configuration and a state folder of the bench's own."""
    with open(folder + '/carrel.json', 'w') as file:
        json.dump({'accelerator': options.accelerator, 'vmlinux': options.images + '/vmlinux', 'vmlinuz': options.images + '/vmlinuz',
                   'initrd': options.images + '/initrd', **configuration}, file)
    return [options.carrel, '--root', options.state, '--config', folder + '/carrel.json']


def plan_of(carrel, bundle):
    return json.loads(run(*carrel, 'plan', bundle))


def plain_initrd(folder, source, name):
    """An initrd whose init is a program of tools/lib."""
    run('gcc', '-O2', '-static', '-o', '%s/%s' % (folder, name), '%s/tools/lib/%s' % (TOP, source))
    run(TOP + '/initrd/build', '%s/%s' % (folder, name), '%s/%s.initrd' % (folder, name))
    return '%s/%s.initrd' % (folder, name)


def plain_arguments(plan, initrd, words=(), console='null', tap=None, share=None):
    """QEMU's arguments from a plan, for a machine without carrel: the shim's sockets become null devices. WORDS are for init.
    TAP: of the first card, whose others go; without one the cards have no cable. SHARE: virtiofsd's socket, or no share."""
    given, argv, i, cards = plan['launch']['qemu'], [], 0, 0
    while i < len(given):
        word, value = given[i], given[i + 1] if i + 1 < len(given) else ''
        i += 2
        if word == '-chardev' and 'virtiofs' in value:
            if share:
                argv += [word, 'socket,id=virtiofs,path=' + share]
        elif word == '-device' and 'vhost-user-fs' in value:
            argv += [word, value] if share else []
        elif word == '-chardev' and value.startswith('socket,'):
            argv += [word, '%s,%s' % (console if 'id=console' in value else 'null', value.split(',')[1])]
        elif word == '-netdev':
            if tap and cards == 0:
                argv += [word, 'tap,id=net0,ifname=%s,script=no,downscript=no' % tap]
        elif word == '-device' and 'virtio-net-pci' in value:
            card = json.loads(value)
            cards += 1
            if tap is None:
                del card['netdev']  # the card, with no cable in it
            if tap is None or cards == 1:
                argv += [word, json.dumps(card)]
        elif word == '-initrd':
            argv += [word, initrd]
        elif word == '-append' and words:
            argv += [word, '%s -- %s' % (value, ' '.join(words))]
        else:
            argv.append(word)
            i -= 1
    return argv


def host_line(plan):
    """Where the figures are from."""
    machine = plan['machine']
    qemu = run(plan['launch']['qemu'][0], '--version').split('(')[0].replace('QEMU emulator version', '').strip()
    return 'QEMU %s, accelerator %s, %d vCPUs, %d MiB; host Linux %s, %d CPUs' % (
        qemu, machine['accelerator'], machine['vcpus'], machine['memoryMiB'], os.uname().release.split('-')[0], os.cpu_count())


def heading(result):
    return 'Measured on %(date)s: %(host)s; %(runs)d turns, medians, one run of `tools/bench %(figure)s`.' % result


def update_document(figure, lines):
    path = TOP + '/docs/performance.md'
    begin, end = '<!-- figures: tools/bench%s writes them -->' % (' ' + figure if figure else ''), '<!-- end of figures -->'
    with open(path) as file:
        text = file.read()
    head, found, rest = text.partition(begin)
    if not found or end not in rest:
        die('docs/performance.md: the marks around the figures are gone')
    with open(path, 'w') as file:
        file.write(head + begin + '\n\n' + '\n'.join(lines) + '\n\n' + end + rest.split(end, 1)[1])
