# SPDX-License-Identifier: Apache-2.0
"""tools/bench firmware, tools/bench knobs: what OVMF costs over direct boot, and what changes it.

Three figures. Seconds, from QEMU's start until the machine is off again (its init does nothing else). The guest's own
clock when its init runs, where it is emulated: every instruction takes a nanosecond then (-icount) and waits take what
they take, so this one does not depend on the host, nor on what else it does. And accesses to devices, each an exit to
QEMU under KVM, without those of the timer that is read while something waits."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time

from benchlib import (carrel_command, die, host_line, make_bundle, median, need, own_cgroup, plain_arguments, plain_initrd, plan_of, seconds,
                      take_turns)

STOCK_4M = ('OVMF of the distribution', '/usr/share/OVMF/OVMF_CODE_4M.fd')
STOCK_2M = ('its 2 MiB build', '/usr/share/OVMF/OVMF_CODE.fd')
OWN = 'OVMF of `firmware-config/build`'
TIMER = 'acpi-tmr'
LIMIT = 200


# ---- changes of a command line ----

def replaced(old, new):
    def change(argv):
        if not any(old in word for word in argv):
            die('%s is not on the command line of QEMU' % old)
        return [word.replace(old, new) for word in argv]
    return change


def value(option, new):
    def change(argv):
        argv = list(argv)
        argv[argv.index(option) + 1] = new
        return argv
    return change


def more(*words):
    return lambda argv: argv + list(words)


def without(driver):
    """Devices of a kind, and what they are connected to."""
    def change(argv):
        pairs, i = [], 0
        while i < len(argv):
            if argv[i] == '-device' and driver in argv[i + 1]:
                i += 2
            else:
                pairs.append(argv[i])
                i += 1
        return pairs
    return change


def as_bios(argv):
    at = argv.index('-blockdev')
    path = json.loads(argv[at + 1])['file']['filename']
    return [word.replace(',pflash0=firmware', '') for word in argv[:at]] + ['-bios', path] + argv[at + 2:]


def with_memory(mib):
    def change(argv):
        argv = [re.sub(r'"size":\d+', '"size":%d' % (mib << 20), word) for word in argv]
        return value('-m', 'size=%dM' % mib)(argv)
    return change


def knobs():
    """(words, change) of each that is tried, one at a time."""
    return [
        ('no S3, S4 (`ICH9-LPC.disable_s3=1`)', more('-global', 'ICH9-LPC.disable_s3=1', '-global', 'ICH9-LPC.disable_s4=1')),
        ('one processor', value('-smp', '1')),
        ('512 MiB of memory', with_memory(512)),
        ('no network cards', without('virtio-net')),
        ('`-bios` and not flash', as_bios),
        ('`X-PciMmio64Mb` of 256 GiB', more('-fw_cfg', 'name=opt/ovmf/X-PciMmio64Mb,string=262144')),
        ('`-boot menu=off,splash-time=0`', more('-boot', 'menu=off,splash-time=0')),
        ('no SMM (`smm=off`)', replaced('smbus=off', 'smbus=off,smm=off')),
    ]


# ---- measuring ----

def boot(argv):
    """Runs a machine until it is off."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=LIMIT, check=False)
    if done.returncode != 0:
        die('%s: %s' % (argv[0], done.stderr.strip() or 'status %d' % done.returncode))


def own_clock(folder, arguments):
    """Milliseconds of an emulated guest's own clock at its init."""
    console = folder + '/console'
    argv = arguments(['floor.clock'], 'file,path=' + console)
    argv = [re.sub(r'tsc_early_khz=\d+', 'tsc_early_khz=1000000', word) for word in argv]  # the counter runs at 1 GHz then
    boot(argv + ['-icount', 'shift=0,sleep=off'])
    with open(console, errors='replace') as file:
        clock = re.search(r'floor: clock (\d+)', file.read())
    if not clock:
        die('the guest did not say what its clock says')
    return int(clock.group(1)) / 1e6


def accesses(folder, arguments):
    """Of the guest to its devices."""
    log = folder + '/trace'
    boot(arguments() + ['-trace', 'memory_region_ops_*', '-D', log])
    with open(log, errors='replace') as file:
        return sum("'%s'" % TIMER not in line for line in file)


ID, PROCESSORS, KERNEL, MENU, WORDS = 0x01, 0x05, 0x08, 0x0e, 0x14  # what OVMF asks QEMU for (fw_cfg), by number

PHASES = [
    ('unpacked', 'OVMF has unpacked itself (SEC)'),
    ('pei', 'memory, processors; a TPM is looked for (PEI)'),
    ('drivers', 'drivers are started (DXE)'),
    ('connected', 'PCI is set up, ACPI tables are there (BDS)'),
    ('kernel', 'the kernel is loaded, and starts'),
    ('off', 'init has run, the machine is off'),
]


def phases(folder, arguments):
    """Milliseconds after QEMU's start at which each of PHASES is reached."""
    log, asked = folder + '/trace', []
    argv = [word.replace('timestamp=off', 'timestamp=on') for word in arguments()]
    begin = time.time()
    boot(argv + ['-trace', 'fw_cfg_select', '-D', log])
    end = time.time()
    with open(log, errors='replace') as file:
        for line in file:
            match = re.match(r'\d+@([\d.]+):fw_cfg_select \S+ key (0x\w+) ', line)
            if match:
                asked.append((int(match.group(2), 16), (float(match.group(1)) - begin) * 1000))
    at = lambda key, after=0.0: next((moment for other, moment in asked if other == key and moment > after), None)
    pei = at(PROCESSORS)
    moments = {'unpacked': at(ID), 'pei': pei and at(ID, pei), 'drivers': at(KERNEL), 'connected': at(MENU),
               'kernel': max((moment for key, moment in asked if key == WORDS), default=None), 'off': (end - begin) * 1000}
    if None in moments.values():
        die('this OVMF asks for other things than those the phases are told by')
    return moments


def machines_of(options, folder):
    """{name: function that gives QEMU's arguments}, direct boot first, and the plan."""
    initrd = plain_initrd(folder, 'floor-init.c', 'floor-init')
    bundle = make_bundle(carrel_command(options, folder), folder + '/once', ['/bin/true'])

    def machine(**configuration):
        plan = plan_of(carrel_command(options, folder, **configuration), bundle)
        return lambda words=(), console='null': plain_arguments(plan, initrd, words, console=console)

    machines = {'direct (qboot, `vmlinux`)': machine(firmware='none'), 'SeaBIOS': machine(firmware='seabios')}
    for name, path in (STOCK_4M, STOCK_2M, (OWN, options.images + '/ovmf.fd')):
        if os.path.exists(path):
            machines[name] = machine(firmware='ovmf', ovmf=path)
        else:
            print('%s: left out, there is no %s' % (name, path), file=sys.stderr)
    return machines, plan_of(carrel_command(options, folder), bundle)


def measure_firmware(options):
    with tempfile.TemporaryDirectory(prefix='carrel-bench-') as folder:
        os.chmod(folder, 0o755)
        machines, plan = machines_of(options, folder)
        with own_cgroup() as enter:
            times = take_turns(options.runs, **{name: lambda make=make: seconds(*make(), preexec_fn=enter) for name, make in machines.items()})
        moments = take_turns(options.runs, **{name: lambda make=make: phases(folder, make) for name, make in list(machines.items())[2:]})
        counts = {name: accesses(folder, make) for name, make in machines.items()}
    return {'host': host_line(plan), 'seconds': {name: median(values) for name, values in times.items()}, 'accesses': counts,
            'phases': {name: {key: median([row[key] for row in rows]) for key, _ in PHASES} for name, rows in moments.items()}}


def firmware_table(result):
    direct = next(iter(result['seconds'].values()))
    lines = ['| machine | s | over direct boot | device accesses |', '|---|---|---|---|']
    for name, took in result['seconds'].items():
        lines.append('| %s | %.2f | %.2f | %d |' % (name, took, took / direct, result['accesses'][name]))
    names = list(result['phases'])
    lines += ['', '| ms after QEMU\'s start, until | %s |' % ' | '.join(names), '|---|' + '---|' * len(names)]
    for key, words in PHASES:
        lines.append('| %s | %s |' % (words, ' | '.join('%.0f' % result['phases'][name][key] for name in names)))
    return lines


def measure_knobs(options):
    with tempfile.TemporaryDirectory(prefix='carrel-bench-') as folder:
        os.chmod(folder, 0o755)
        machines, plan = machines_of(options, folder)
        if plan['machine']['accelerator'] != 'tcg':
            die('knobs: the clock that is read is that of an emulated guest: --accelerator tcg')
        base = list(machines)[-1]
        changed = {words: lambda words=(), console='null', change=change: change(machines[base](words, console)) for words, change in knobs()}
        clocks = {name: own_clock(folder, make) for name, make in {**machines, **changed}.items()}
    return {'host': host_line(plan), 'clocks': clocks, 'base': base, 'machines': list(machines)}


def knobs_table(result):
    clocks, before = result['clocks'], result['clocks'][result['base']]
    lines = ['| machine | own clock, ms |', '|---|---|']
    lines += ['| %s | %.0f |' % (name, clocks[name]) for name in result['machines']]
    lines += ['', '| one thing changed, of %s | own clock, ms | gain, ms |' % result['base'], '|---|---|---|']
    return lines + ['| %s | %.0f | %.1f |' % (name, clock, before - clock) for name, clock in clocks.items() if name not in result['machines']]


def prepare(_):
    need('gcc', 'busybox')
    if not os.path.exists(STOCK_4M[1]) and not os.path.exists(STOCK_2M[1]):
        die('no OVMF: tools/deps installs it')
