# SPDX-License-Identifier: Apache-2.0
"""tools/bench virtiofsd: the virtiofsd that carrel finds on this host, and another one, each with what carrel asks of it."""

import json
import os
import tempfile

from bench_engines import idle
from bench_machines import FILES, LIST, fill_rootfs, read_times
from benchlib import carrel_command, die, host_line, isolate, make_bundle, need, plan_of, run, seconds, spread, take_turns, write_config


def version(plan):
    """'1.14.0', or '7.2.22' of QEMU's own, which has a word more in front of it."""
    return run(plan['launch']['virtiofsd'][0], '--version').splitlines()[0].replace('version ', '').split()[1]


def make_writable(bundle):
    with open(bundle + '/config.json') as file:
        config = json.load(file)
    config['root']['readonly'] = False
    write_config(bundle, config)


def list_of_files(command, bundle):
    return {'files: ' + name: t for name, t in read_times(run(*command, 'run', '-b', bundle, 'bench-files')).items()}


def measure_virtiofsd(options):
    with tempfile.TemporaryDirectory(prefix='carrel-bench-') as folder:
        os.chmod(folder, 0o755)
        for name in ('one', 'other'):
            os.mkdir('%s/%s' % (folder, name))
        commands = {'one': carrel_command(options, folder + '/one'),
                    'other': carrel_command(options, folder + '/other', virtiofsd=os.path.abspath(options.virtiofsd))}
        ends = make_bundle(commands['one'], folder + '/ends', ['/bin/true'])
        idles = make_bundle(commands['one'], folder + '/idles', ['/bin/sleep', '100000'])
        works = make_bundle(commands['one'], folder + '/works', ['/bin/bench-guest', 'fs'])
        make_writable(works)
        run('gcc', '-O2', '-static', '-o', folder + '/bench-guest', os.path.dirname(os.path.abspath(__file__)) + '/bench-guest.c')
        fill_rootfs(folder, works + '/rootfs')
        plans = {name: plan_of(command, ends) for name, command in commands.items()}
        starts = take_turns(3 * options.runs, **{name: lambda command=command: seconds(*command, 'run', '-b', ends, 'bench-run')
                                                 for name, command in commands.items()})
        rows = take_turns(options.runs, **{name: lambda command=command: list_of_files(command, works) for name, command in commands.items()})
        for name, command in commands.items():
            idle(command, idles, 'bench-' + name)
        try:
            execs = take_turns(4 * options.runs, **{name: lambda name=name, command=command: seconds(*command, 'exec', 'bench-' + name, '/bin/true')
                                                    for name, command in commands.items()})
        finally:
            for name, command in commands.items():
                run(*command, 'delete', '--force', 'bench-' + name)
    times = {name: {'start': spread(starts[name]), 'exec': spread(execs[name]),
                    **{what: spread([row[what] for row in rows[name]]) for what in rows[name][0]}} for name in commands}
    return {'host': host_line(plans['one']), 'versions': {name: version(plan) for name, plan in plans.items()}, 'times': times,
            'ratios': {what: {kind: times['other'][what][kind] / times['one'][what][kind] for kind in ('median', 'min')} for what in times['one']}}


def virtiofsd_table(result):
    what = {'start': '`carrel run` of busybox `true`', 'exec': '`carrel exec` of busybox `true`', 'files: write': 'fio, 64 MiB written, then synced',
            'files: read': 'fio, 64 MiB read, direct', 'files: random-read': 'fio, 8 MiB in 4 KiB, direct, anywhere',
            'files: checkout': '`git checkout` of %d files, and of %d others' % (FILES, FILES), 'files: status': '`git status`',
            'files: remove': '`git checkout` of nothing'}
    lines = ['| virtiofsd %(other)s over %(one)s | medians | minima |' % result['versions'], '|---|---|---|']
    return lines + ['| %s | %.2f | %.2f |' % (what[name], result['ratios'][name]['median'], result['ratios'][name]['min'])
                    for name in ('start', 'exec', *('files: ' + name for name, _ in LIST))]


def prepare(options):
    need('gcc', 'fio', 'git')
    if not options.virtiofsd:
        die('which other virtiofsd? name it with --virtiofsd')
    isolate()
