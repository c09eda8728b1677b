# SPDX-License-Identifier: Apache-2.0
"""tools/bench docker, tools/bench exec: carrel beside runc, under docker and by itself."""

import contextlib
import json
import os
import subprocess
import tempfile

from benchlib import (carrel_command, die, host_line, isolate, make_bundle, make_rootfs, need, own_cgroup, plain_arguments, plain_initrd, plan_of,
                      run, seconds, spread, take_turns, wait_for)


@contextlib.contextmanager
def docker_daemon(carrel, folder):
    """A dockerd of the bench's own, with an image: the words of a docker command."""
    socket, children = folder + '/docker.sock', []
    os.environ.update(DOCKER_HOST='unix://' + socket, DOCKER_CONFIG=folder, CONTAINERD_ADDRESS=folder + '/containerd.sock')
    wrapper = folder + '/carrel'
    with open(wrapper, 'w') as file:
        file.write('#!/bin/sh\nexec %s --config %s "$@"\n' % (carrel[0], carrel[4]))
    os.chmod(wrapper, 0o755)
    with open(folder + '/containerd.toml', 'w') as file:
        file.write('version = 2\nroot = "%s/containerd"\nstate = "%s/containerd-state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
                   '[grpc]\naddress = "%s/containerd.sock"\n' % (folder, folder, folder))
    with open(folder + '/daemon.json', 'w') as file:
        json.dump({'runtimes': {'carrel': {'path': wrapper}}, 'data-root': folder + '/docker', 'exec-root': folder + '/exec',
                   'pidfile': folder + '/docker.pid', 'hosts': ['unix://' + socket], 'containerd': folder + '/containerd.sock',
                   'bridge': 'none', 'iptables': False, 'ip6tables': False}, file)
    run('mount', '-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', '/run')
    docker = next(path for path in ('/usr/bin/docker', 'docker') if path == 'docker' or os.path.exists(path))
    answers = lambda: subprocess.run([docker, 'version'], capture_output=True, check=False).returncode == 0
    try:
        with open(folder + '/daemons.log', 'w') as log:
            for argv in (['containerd', '--config', folder + '/containerd.toml'], ['dockerd', '--config-file', folder + '/daemon.json']):
                children.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        wait_for('dockerd', answers)
        make_rootfs(folder + '/image')
        run('tar', '-C', folder + '/image', '-cf', folder + '/image.tar', '.')
        run(docker, 'import', folder + '/image.tar', 'bench')
        yield docker
    finally:
        for child in reversed(children):
            child.terminate()
            child.wait()


def measure_docker(options):
    """`docker run --rm`, and the floor of carrel's machine; seconds."""
    with tempfile.TemporaryDirectory(prefix='carrel-bench-') as folder:
        os.chmod(folder, 0o755)
        carrel = carrel_command(options, folder)
        plan = plan_of(carrel, make_bundle(carrel, folder + '/once', ['/bin/true']))
        floor = plain_arguments(plan, plain_initrd(folder, 'floor-init.c', 'floor-init'))
        with docker_daemon(carrel, folder) as docker, own_cgroup() as enter:
            words = lambda runtime: [docker, 'run', '--rm', '--network', 'none', '--runtime', runtime, 'bench', 'true']
            times = take_turns(options.runs, **{'floor': lambda: seconds(*floor, preexec_fn=enter), 'docker run, carrel': lambda: seconds(*words('carrel')),
                                                'docker run, runc': lambda: seconds(*words('runc'))})
    times = {name: spread(values) for name, values in times.items()}
    carrel, runc, floor = (times[name]['median'] for name in ('docker run, carrel', 'docker run, runc', 'floor'))
    return {'host': host_line(plan), 'times': times, 'ratio': (carrel - floor) / runc, 'ratio_of_sum': carrel / (runc + floor)}


def docker_table(result):
    lines = ['| command | median s | min … max s |', '|---|---|---|']
    lines += ['| %s | %.3f | %.3f … %.3f |' % (name, t['median'], t['min'], t['max']) for name, t in result['times'].items()]
    return lines + ['', '| what | figure | at most |', '|---|---|---|',
                    '| `docker run --rm` with carrel / (with runc + the floor) | %.2f | 1.2 |' % result['ratio_of_sum'],
                    '| (`docker run --rm` with carrel − the floor) / with runc | %.2f | 1.2 |' % result['ratio']]


def idle(command, bundle, ident):
    run(*command, 'create', '-b', bundle, ident)
    run(*command, 'start', ident)


def measure_exec(options):
    """A program more in a container that runs: seconds."""
    with tempfile.TemporaryDirectory(prefix='carrel-bench-') as folder:
        os.chmod(folder, 0o755)
        carrel, runc = carrel_command(options, folder), ['runc', '--root', folder + '/runc']
        bundle = make_bundle(carrel, folder + '/idle', ['/bin/sleep', '100000'])
        plan = plan_of(carrel, bundle)
        with docker_daemon(carrel, folder) as docker:
            containers = {name: run(docker, 'run', '-d', '--network', 'none', '--runtime', name, 'bench', 'sleep', '100000').strip()
                          for name in ('carrel', 'runc')}
            idle(carrel, bundle, 'bench-exec')
            idle(runc, bundle, 'bench-exec')
            try:
                times = take_turns(options.runs, **{
                    'carrel exec': lambda: seconds(*carrel, 'exec', 'bench-exec', '/bin/true'),
                    'runc exec': lambda: seconds(*runc, 'exec', 'bench-exec', '/bin/true'),
                    'docker exec, carrel': lambda: seconds(docker, 'exec', containers['carrel'], '/bin/true'),
                    'docker exec, runc': lambda: seconds(docker, 'exec', containers['runc'], '/bin/true')})
            finally:
                run(*carrel, 'delete', '--force', 'bench-exec')
                run(*runc, 'delete', '--force', 'bench-exec')
                run(docker, 'rm', '-f', *containers.values())
    times = {name: spread(values) for name, values in times.items()}
    over = lambda one, other: times[one]['median'] / times[other]['median']
    return {'host': host_line(plan), 'times': times,
            'ratios': {'`carrel exec` over `runc exec`': over('carrel exec', 'runc exec'),
                       '`docker exec` with carrel over with runc': over('docker exec, carrel', 'docker exec, runc')}}


def exec_table(result):
    lines = ['| command | median ms | min … max ms |', '|---|---|---|']
    lines += ['| %s | %.1f | %.1f … %.1f |' % (name, t['median'] * 1e3, t['min'] * 1e3, t['max'] * 1e3) for name, t in result['times'].items()]
    lines += ['', '| what | figure | at most |', '|---|---|---|']
    return lines + ['| %s | %.2f | 1.2 |' % item for item in result['ratios'].items()]


def prepare(_):
    need('gcc', 'dockerd', 'containerd', 'runc')
    isolate()
    if not os.path.exists('/sys/fs/cgroup'):
        die('no cgroups')
