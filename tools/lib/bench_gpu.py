# SPDX-License-Identifier: Apache-2.0
"""tools/bench diagnosis, gpu, pinning: what a device of the host's costs, and how fast its state is told."""

import json
import os
import subprocess
import tempfile
import time

from benchlib import (carrel_command, die, host_line, make_bundle, need, own_cgroup, plain_arguments, plain_initrd, plan_of, run, seconds,
                      spread, take_turns, write_config)

PCI = '/sys/bus/pci/devices/'
SIZES_GIB = (1, 4, 8)


# ---- the device ----

def write(path, text):
    with open(path, 'w') as file:
        file.write(text)


def functions(device):
    """All functions of the device's slot."""
    slot = device.rsplit('.', 1)[0]
    return sorted(name for name in os.listdir(PCI) if name.startswith(slot + '.'))


def bind(device, driver):
    """To DRIVER; None: to whichever driver of the host wants it."""
    if driver:
        run('modprobe', driver)
    for name in functions(device):
        if os.path.exists(PCI + name + '/driver'):
            write(PCI + name + '/driver/unbind', name)
        write(PCI + name + '/driver_override', (driver or '') + '\n')
        write('/sys/bus/pci/drivers_probe', name)
        if driver and os.path.basename(os.path.realpath(PCI + name + '/driver')) != driver:
            die('%s: %s does not take it' % (name, driver))


def device_bundle(carrel, folder, device):
    bundle = make_bundle(carrel, folder, ['/bin/true'])
    with open(bundle + '/config.json') as file:
        config = json.load(file)
    config.setdefault('annotations', {})['io.carrel.gpu'] = device
    write_config(bundle, config)
    return bundle


def configured(options, folder, **settings):
    """carrel with more settings than carrel_command() gives it."""
    carrel = carrel_command(options, folder)
    with open(folder + '/carrel.json') as file:
        config = json.load(file)
    config.update(gpuDevices=[options.device], bootTimeoutMs=200000, **settings)
    write(folder + '/carrel.json', json.dumps(config))
    return carrel


def floor_initrd(options, folder):
    return options.floor or plain_initrd(folder, 'floor-init.c', 'floor-init')


# ---- a start ----

def measure_gpu(options):
    """carrel run with the device, and the floor of its machine, with the device; seconds."""
    with tempfile.TemporaryDirectory(prefix='carrel-bench-') as folder, own_cgroup() as enter:
        os.chmod(folder, 0o755)
        carrel = configured(options, folder, memoryMiB=options.memory)
        bundle = device_bundle(carrel, folder + '/once', options.device)
        plan = plan_of(carrel, bundle)
        floor = plain_arguments(plan, floor_initrd(options, folder))
        start = [*carrel, 'run', bundle]

        def bound():
            """All of these with the device on vfio-pci before and after: what its own driver takes to let go and to come back is its own."""
            try:
                bind(options.device, 'vfio-pci')
                return take_turns(options.runs, floor=lambda: seconds(*floor, preexec_fn=enter), start=lambda: seconds(*start))
            finally:
                bind(options.device, None)

        times = bound()
        times['whole'] = take_turns(options.runs, whole=lambda: seconds(*start))['whole']
    names = {'floor': 'floor, with the device', 'start': '`carrel run`, device bound to vfio-pci',
             'whole': '`carrel run`, device taken from its driver and given back'}
    times = {names[key]: spread(values) for key, values in times.items()}
    ratio = times[names['start']]['median'] / times[names['floor']]['median']
    return {'host': host_line(plan), 'times': times, 'ratio': ratio}


def gpu_table(result):
    lines = ['| command | median s | min … max s |', '|---|---|---|']
    lines += ['| %s | %.2f | %.2f … %.2f |' % (name, t['median'], t['min'], t['max']) for name, t in result['times'].items()]
    return lines + ['', '| what | figure | at most |', '|---|---|---|', '| `carrel run` with the device over the floor | %.2f | 1.25 |' % result['ratio']]


# ---- pinning ----

def huge_pages(gib):
    """Has the host put GIB aside; whether it could."""
    write('/proc/sys/vm/nr_hugepages', '%d' % (gib * 512))
    with open('/proc/sys/vm/nr_hugepages') as file:
        return int(file.read()) >= gib * 512


def realize(arguments, enter):
    """Seconds until QEMU has made the machine, whose processors never run."""
    begin = time.monotonic()
    done = subprocess.run([*arguments, '-S', '-monitor', 'stdio'], input='quit\n', capture_output=True, text=True, preexec_fn=enter)
    if done.returncode != 0:
        die('QEMU: ' + done.stderr.strip())
    return time.monotonic() - begin


def measure_pinning(options):
    """Machines of several sizes, in small and in huge pages, with the device and without."""
    times = {}
    try:
        bind(options.device, 'vfio-pci')
        with tempfile.TemporaryDirectory(prefix='carrel-bench-') as folder, own_cgroup() as enter:
            for pages in ('never', 'always'):
                for gib in SIZES_GIB:
                    if pages == 'always' and not huge_pages(gib):
                        die('%d GiB of huge pages are not to be had here' % gib)
                    carrel = configured(options, folder, memoryMiB=gib * 1024, hugePages=pages)
                    bundle = device_bundle(carrel, '%s/%s-%d' % (folder, pages, gib), options.device)
                    plan = plan_of(carrel, bundle)
                    arguments = plain_arguments(plan, floor_initrd(options, folder))
                    times['%s %d' % (pages, gib)] = spread([realize(arguments, enter) for _ in range(options.runs)])
    finally:
        huge_pages(0)
        bind(options.device, None)
    smallest, largest = SIZES_GIB[0], SIZES_GIB[-1]
    per_gib = {pages: (times['%s %d' % (pages, largest)]['median'] - times['%s %d' % (pages, smallest)]['median']) / (largest - smallest)
               for pages in ('never', 'always')}
    return {'host': host_line(plan), 'times': times, 'per_gib': per_gib}


def pinning_table(result):
    lines = ['| memory | small pages s | huge pages s |', '|---|---|---|']
    lines += ['| %d GiB | %.2f | %.2f |' % (gib, result['times']['never %d' % gib]['median'], result['times']['always %d' % gib]['median'])
              for gib in SIZES_GIB]
    return lines + ['| each GiB more | %.2f | %.2f |' % (result['per_gib']['never'], result['per_gib']['always'])]


# ---- diagnosis ----

def answer(*argv):
    """Seconds; what is found does not matter here."""
    begin = time.monotonic()
    done = subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1) or done.stderr.startswith('carrel: '):
        die(' '.join(argv) + ': ' + done.stderr.strip())
    return time.monotonic() - begin


def measure_diagnosis(options):
    """What is asked by hand, and by create."""
    with tempfile.TemporaryDirectory(prefix='carrel-bench-') as folder:
        carrel = carrel_command(options, folder)
        plan = plan_of(carrel, make_bundle(carrel, folder + '/once', ['/bin/true']))
        devices = sorted(os.listdir(PCI)) if os.path.isdir(PCI) else []
        device = options.device or (devices[-1] if devices else die('this host has no PCI devices'))
        times = take_turns(options.runs, **{
            'carrel doctor': lambda: answer(*carrel, 'doctor'),
            'carrel gpu list': lambda: answer(*carrel, 'gpu', 'list'),
            'carrel gpu why': lambda: answer(*carrel, 'gpu', 'why', device)})
    return {'host': host_line(plan), 'devices': len(devices), 'times': {name: spread(values) for name, values in times.items()}}


def diagnosis_table(result):
    most = {'carrel doctor': '200', 'carrel gpu why': '50'}
    lines = ['The host has %d PCI devices.' % result['devices'], '', '| command | median ms | min … max ms | at most |', '|---|---|---|---|']
    return lines + ['| `%s` | %.1f | %.1f … %.1f | %s |' % (name, t['median'] * 1e3, t['min'] * 1e3, t['max'] * 1e3, most.get(name, ''))
                    for name, t in result['times'].items()]


def prepare(options):
    if not options.device:
        die('%s: name a device of this host that nobody uses with --device' % options.figure)
    if not os.path.exists(PCI + options.device):
        die('%s: this host has no such device' % options.device)
    if not options.floor:
        need('gcc')
