# SPDX-License-Identifier: Apache-2.0
"""tools/bench net, tools/bench fs: a container's network and files beside those of a plain machine with the same QEMU, kernel, devices."""

import contextlib
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time

from benchlib import (carrel_command, die, host_line, isolate, join_network, make_bundle, median, need, own_cgroup, plain_arguments,
                      plain_initrd, plan_of, run, take_turns, wait_for)

PORT = 5201
BYTES = 64 << 20
ROUND_TRIPS = 1000
BLOCK = bytes(1 << 18)
PLAIN, CONTAINER = '198.51.100.2', '203.0.113.2'

# ---- network ----


def connect(address, first):
    connection = socket.create_connection((address, PORT), 30)
    connection.settimeout(60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(first)
    return connection


def to_guest(address):
    """MiB/s"""
    with connect(address, b's') as connection:
        begin = time.monotonic()
        for _ in range(BYTES // len(BLOCK)):
            connection.sendall(BLOCK)
        connection.shutdown(socket.SHUT_WR)
        if struct.unpack('Q', connection.recv(8, socket.MSG_WAITALL))[0] != BYTES:
            die('the guest did not get all')
        return BYTES / (1 << 20) / (time.monotonic() - begin)


def from_guest(address):
    """MiB/s"""
    buffer, left = bytearray(1 << 18), BYTES
    with connect(address, b'r' + struct.pack('Q', BYTES)) as connection:
        begin = time.monotonic()
        while left > 0:
            n = connection.recv_into(buffer)
            if n == 0:
                die('the guest did not send all')
            left -= n
        return BYTES / (1 << 20) / (time.monotonic() - begin)


def round_trip(address):
    """Microseconds, the median of many."""
    times = []
    with connect(address, b'p') as connection:
        for _ in range(ROUND_TRIPS):
            begin = time.monotonic()
            connection.sendall(b'x')
            connection.recv(1)
            times.append(time.monotonic() - begin)
    return median(times) * 1e6


def answers(address):
    try:
        connect(address, b'p').close()
        return True
    except OSError:
        return False


@contextlib.contextmanager
def plain_machine(argv):
    with own_cgroup() as enter:
        machine = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, preexec_fn=enter)
        try:
            yield machine
        finally:
            machine.kill()
            machine.wait()


def make_network(folder):
    """A namespace as engines make them, with one end of a pair; and a tap for the plain machine."""
    namespace = folder + '/network'
    open(namespace, 'w').close()
    run('unshare', '--net=' + namespace, 'true')
    run('ip', 'link', 'add', 'bench0', 'type', 'veth', 'peer', 'name', 'eth0')
    inside = ['nsenter', '--net=' + namespace, 'ip']
    run('ip', 'link', 'set', 'eth0', 'netns', namespace)
    run(*inside, 'address', 'add', CONTAINER + '/24', 'dev', 'eth0')
    run(*inside, 'link', 'set', 'eth0', 'up')
    run(*inside, 'link', 'set', 'lo', 'up')
    run('ip', 'address', 'add', CONTAINER[:-1] + '1/24', 'dev', 'bench0')
    run('ip', 'link', 'set', 'bench0', 'up')
    run('ip', 'tuntap', 'add', 'bench1', 'mode', 'tap', 'vnet_hdr')
    run('ip', 'address', 'add', PLAIN[:-1] + '1/24', 'dev', 'bench1')
    run('ip', 'link', 'set', 'bench1', 'up')
    return namespace


def measure_net(options):
    with tempfile.TemporaryDirectory(prefix='carrel-bench-') as folder:
        os.chmod(folder, 0o755)
        carrel = carrel_command(options, folder)
        bundle = make_bundle(carrel, folder + '/net', ['/bin/bench-guest', 'net'])
        initrd = plain_initrd(folder, 'bench-guest.c', 'bench-guest')
        shutil.copy(folder + '/bench-guest', bundle + '/rootfs/bin/')
        namespace = make_network(folder)
        plan = plan_of(carrel, bundle)
        join_network(bundle, namespace)
        run(*carrel, 'run', '--detach', '-b', bundle, 'bench-net')
        try:
            with plain_machine(plain_arguments(plan, initrd, ['init-net', PLAIN], tap='bench1')):
                wait_for('the plain machine', lambda: answers(PLAIN))
                wait_for('the container', lambda: answers(CONTAINER))
                figures = take_turns(options.runs, **{
                    '%s, %s' % (name, who): lambda measure=measure, address=address: measure(address)
                    for name, measure in (('to the guest', to_guest), ('from the guest', from_guest), ('round trip', round_trip))
                    for who, address in (('plain', PLAIN), ('carrel', CONTAINER))})
        finally:
            run(*carrel, 'delete', '--force', 'bench-net')
            run('umount', namespace)
    figures = {name: median(values) for name, values in figures.items()}
    ratio = lambda name: figures[name + ', carrel'] / figures[name + ', plain']
    return {'host': host_line(plan), 'figures': figures,
            'ratios': {'to the guest': 1 / ratio('to the guest'), 'from the guest': 1 / ratio('from the guest'), 'round trip': ratio('round trip')}}


def net_table(result):
    lines = ['| TCP | plain QEMU | carrel | plain over carrel (round trip: carrel over plain) | at most |', '|---|---|---|---|---|']
    for name, unit in (('to the guest', 'MiB/s'), ('from the guest', 'MiB/s'), ('round trip', 'µs')):
        lines.append('| %s | %.0f %s | %.0f %s | %.2f | 1.2 |' % (name, result['figures'][name + ', plain'], unit,
                                                                result['figures'][name + ', carrel'], unit, result['ratios'][name]))
    return lines


# ---- files ----

FIO = 'fio --name=x --filename=/data/file --size=%s --rw=%s --bs=%s --direct=%d --thread --minimal --output=/data/out --end_fsync=1'
LIST = [
    ('write', FIO % ('64m', 'write', '1m', 0)),
    ('read', FIO % ('64m', 'read', '1m', 1)),
    ('random-read', FIO % ('8m', 'randread', '4k', 1)),
    ('checkout', 'cd /data/repository && git checkout -q second && git checkout -q first'),
    ('status', 'cd /data/repository && git status --short >/dev/null'),
    ('remove', 'cd /data/repository && git checkout -q empty'),
]
FILES = 300


def copy_program(program, rootfs):
    """With the libraries it loads."""
    path = os.path.realpath(shutil.which(program))
    needed = [path] + [word for line in run('ldd', path).splitlines() for word in line.split() if word.startswith('/')]
    for source in needed:
        target = rootfs + (source if source != path else '/bin/' + program)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(source, target)


def make_repository(folder):
    git = ['git', '-C', folder, '-c', 'user.name=bench', '-c', 'user.email=bench@localhost']
    os.makedirs(folder)
    run(*git, 'init', '-q', '-b', 'empty')
    run(*git, 'commit', '-q', '--allow-empty', '-m', 'empty')
    for branch in ('first', 'second'):
        run(*git, 'checkout', '-q', '-b', branch)
        for i in range(FILES):
            os.makedirs('%s/%d' % (folder, i % 20), exist_ok=True)
            with open('%s/%d/%d' % (folder, i % 20, i), 'w') as file:
                file.write(('%s %d\n' % (branch, i)) * 100)
        run(*git, 'add', '.')
        run(*git, 'commit', '-q', '-m', branch)
    run(*git, 'checkout', '-q', 'empty')
    with open(folder + '/.git/config', 'a') as file:
        file.write('[safe]\n\tdirectory = *\n')


def fill_rootfs(folder, rootfs):
    for program in ('fio', 'git'):
        copy_program(program, rootfs)
    shutil.copy(folder + '/bench-guest', rootfs + '/bin/')
    os.mkdir(rootfs + '/data')
    make_repository(rootfs + '/data/repository')
    with open(rootfs + '/bench.list', 'w') as file:
        file.writelines('%s %s\n' % item for item in LIST)


def read_times(text):
    times = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[0] == 'bench':
            times[words[1]] = int(words[2]) / 1e9
    if set(times) != {name for name, _ in LIST} or 0 in times.values():
        die('a command of the list failed: ' + text.strip())
    return times


def plain_fs(plan, initrd, folder, tree, enter):
    """One machine, with virtiofsd as carrel starts it, but for where it listens and what it shares."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(folder + '/fs.sock')
    listener.listen(1)
    argv = ['source=' + tree if word.startswith('source=') else word for word in plan['launch']['virtiofsd']]
    argv = ['--fd=%d' % listener.fileno() if word.startswith('--fd=') else word for word in argv]
    argv = ['--shared-dir=' + tree if word.startswith('--shared-dir=') else word for word in argv]
    device = next(word for word in plan['launch']['qemu'] if 'vhost-user-fs-pci' in word)
    tag = device.split('"tag":"')[1].split('"')[0]
    server = subprocess.Popen(argv, pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=enter)
    try:
        output = folder + '/plain.out'
        run(*plain_arguments(plan, initrd, ['init-fs', tag], console='file,path=%s' % output, share=folder + '/fs.sock'), preexec_fn=enter)
        with open(output, errors='replace') as file:
            return read_times(file.read())
    finally:
        server.kill()
        server.wait()
        listener.close()
        os.unlink(folder + '/fs.sock')


def measure_fs(options):
    with tempfile.TemporaryDirectory(prefix='carrel-bench-') as folder:
        os.chmod(folder, 0o755)
        carrel = carrel_command(options, folder)
        bundle = make_bundle(carrel, folder + '/fs', ['/bin/bench-guest', 'fs'])
        initrd = plain_initrd(folder, 'bench-guest.c', 'bench-guest')
        fill_rootfs(folder, bundle + '/rootfs')
        with open(bundle + '/config.json') as file:
            text = file.read()
        with open(bundle + '/config.json', 'w') as file:
            file.write(text.replace('"readonly": true', '"readonly": false'))
        plan = plan_of(carrel, bundle)
        with own_cgroup() as enter:
            rows = take_turns(options.runs, plain=lambda: plain_fs(plan, initrd, folder, bundle, enter),
                              carrel=lambda: read_times(run(*carrel, 'run', '-b', bundle, 'bench-fs')))
    figures = {'%s, %s' % (name, who): median([row[name] for row in rows[who]]) for name, _ in LIST for who in rows}
    return {'host': host_line(plan), 'figures': figures,
            'ratios': {name: figures[name + ', carrel'] / figures[name + ', plain'] for name, _ in LIST}}


def fs_table(result):
    what = {'write': 'fio, 64 MiB written, then synced', 'read': 'fio, 64 MiB read, direct', 'random-read': 'fio, 8 MiB in 4 KiB, direct, anywhere',
            'checkout': '`git checkout` of %d files, and of %d others' % (FILES, FILES), 'status': '`git status`',
            'remove': '`git checkout` of nothing'}
    lines = ['| files | plain QEMU and virtiofsd, s | carrel, s | carrel over plain | at most |', '|---|---|---|---|---|']
    return lines + ['| %s | %.3f | %.3f | %.2f | 1.2 |' % (what[name], result['figures'][name + ', plain'], result['figures'][name + ', carrel'],
                                                         result['ratios'][name]) for name, _ in LIST]


def prepare(options):
    need('gcc', 'ip', *(('fio', 'git') if options.figure == 'fs' else ()))
    isolate()
