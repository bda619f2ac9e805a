"""The measures of `bench/run` that are about isolates: how fast they start, what they need, how exactly they are stopped, how fast they run."""

import concurrent.futures
import contextlib
import http.client
import json
import math
import pathlib
import statistics
import tempfile
import time
import uuid

HELLO = "export default { async fetch(request) { return new Response('Hello World!'); } };"
# As much source as a small framework, which a request never runs.
BULK = "\n".join(f"export function unused{i}(a, b) {{ return a.map((x) => x * b + {i}).filter(Boolean).join('{i}'); }}" for i in range(2500))
LOOP = "export default { fetch() { for (;;); } };"
CPU_MS = 50


def quantile(values, of):
    return sorted(values)[min(len(values) - 1, math.ceil(len(values) * of) - 1)]


class Deployer:
    """Deploys modules by the API, faster than by the command line."""

    def __init__(self, ours):
        self.token = (ours.directory / "admin-token").read_text().strip()
        self.connection = http.client.HTTPConnection(ours.addresses["api"], timeout=60)

    def call(self, method, path, body=None, headers=None):
        headers = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        self.connection.request(method, f"/client/v4/accounts/local{path}", body, headers)
        answer = json.load(self.connection.getresponse())
        if not answer["success"]:
            raise SystemExit(f"{method} {path}: {answer['errors']}")
        return answer["result"]

    def deploy(self, name, module, cpu_ms=None):
        metadata = {"main_module": "index.js", "compatibility_date": "2026-11-01"}
        if cpu_ms:
            metadata["limits"] = {"cpu_ms": cpu_ms}
        edge = uuid.uuid4().hex
        parts = [("metadata", "application/json", json.dumps(metadata)), ("index.js", "application/javascript+module", module)]
        body = "".join(
            f'--{edge}\r\nContent-Disposition: form-data; name="{part}"; filename="{part}"\r\nContent-Type: {kind}\r\n\r\n{text}\r\n'
            for part, kind, text in parts
        )
        headers = {"Content-Type": f"multipart/form-data; boundary={edge}"}
        self.call("PUT", f"/workers/scripts/{name}", f"{body}--{edge}--\r\n".encode(), headers)


class Visitor:
    """One connection that is kept."""

    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address, timeout=120)

    def get(self, name, path="/"):
        """Status, text and milliseconds."""
        before = time.perf_counter()
        self.connection.request("GET", path, headers={"Host": f"{name}.localhost"})
        answer = self.connection.getresponse()
        text = answer.read().decode()
        return answer.status, text, (time.perf_counter() - before) * 1000


def workerd_of_many(tools, directory, modules):
    """A workerd with a service and a socket for each module: how long it took to start, in ms, its process, its ports."""
    services, sockets, ports = [], [], tools.free_ports(len(modules))
    for number, (module, port) in enumerate(zip(modules, ports)):
        (directory / f"{number}.js").write_text(module)
        services.append(
            f'(name = "w{number}", worker = (modules = [(name = "{number}.js", esModule = embed "{number}.js")], compatibilityDate = "2025-09-01"))'
        )
        sockets.append(f'(name = "s{number}", address = "127.0.0.1:{port}", http = (), service = "w{number}")')
    config = directory / "many.capnp"
    config.write_text(
        'using Workerd = import "/workerd/workerd.capnp";\nconst config :Workerd.Config = (\n'
        f"  services = [{', '.join(services)}],\n  sockets = [{', '.join(sockets)}]);\n"
    )
    return config, ports


def start(tools, rounds, seconds):
    """Workers never run before: the time of their first answer, and the memory of each when it is idle, against workerd."""
    count = 100
    for kind, module in (("hello world", HELLO), ("250 KB of source", f"{BULK}\n{HELLO}")):
        with contextlib.ExitStack() as stack:
            directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
            ours = stack.enter_context(tools.edge(directory))
            deployer, visitor = Deployer(ours), Visitor(ours.addresses["http"])
            for number in range(2 * count + 1):
                deployer.deploy(f"w{number}", module.replace("Hello World!", f"Hello {number}!"))
            visitor.get(f"w{2 * count}")
            time.sleep(2)
            before = tools.resident_mib(ours.child.pid)
            in_turn = [visitor.get(f"w{number}")[2] for number in range(count)]
            at_once = tools.resident_mib(ours.child.pid)
            time.sleep(5)
            idle = tools.resident_mib(ours.child.pid)
            spaced = []
            for number in range(count, 2 * count):
                time.sleep(0.05)
                spaced.append(visitor.get(f"w{number}")[2])
            config, ports = workerd_of_many(tools, directory, [module] * count)
            begun = time.monotonic()
            with tools.process(tools.workerd_program(), "serve", config) as peer:
                for port in ports:
                    tools.wait_for("workerd", lambda: Visitor(f"127.0.0.1:{port}").get("any")[0] == 200)
                started = (time.monotonic() - begun) * 1000
                theirs = tools.resident_mib(peer.pid)
        print(f"\nfirst answers of {count} Workers never run before, {kind}")
        print(f"{'one now and then':34}median {statistics.median(spaced):6.2f} ms   p99 {quantile(spaced, 0.99):6.2f} ms")
        print(f"{'one after the other':34}median {statistics.median(in_turn):6.2f} ms   p99 {quantile(in_turn, 0.99):6.2f} ms")
        print(f"{'workerd, all at its start':34}{started / count:13.2f} ms each")
        each = [(value - before) / count for value in (at_once, idle)]
        print(f"memory of each: {each[0]:.2f} MiB at once, {each[1]:.2f} MiB when idle; workerd {theirs / count:.2f} MiB (all of it, divided)")


def thousand(tools, rounds, seconds):
    """1,000 Workers, each called once: total memory."""
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ours = stack.enter_context(tools.edge(directory))
        deployer, visitor = Deployer(ours), Visitor(ours.addresses["http"])
        for number in range(1000):
            deployer.deploy(f"w{number}", HELLO)
        deployed = tools.resident_mib(ours.child.pid)
        for number in range(1000):
            visitor.get(f"w{number}")
        called = tools.resident_mib(ours.child.pid)
        time.sleep(5)
        print(f"\n1,000 Workers: {deployed:.0f} MiB deployed, {called:.0f} MiB after one call of each, {tools.resident_mib(ours.child.pid):.0f} MiB idle")


def overrun(tools, rounds, seconds):
    """How much more CPU time than its limit a loop gets."""
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ours = stack.enter_context(tools.edge(directory))
        deployer, visitor = Deployer(ours), Visitor(ours.addresses["http"])
        deployer.deploy("loop", LOOP, CPU_MS)
        count = 100
        for _ in range(count):
            visitor.get("loop")
        time.sleep(2)
        records = deployer.call("GET", f"/workers/invocations?worker=loop&limit={count}")
    over = [record["cpuTime"] - CPU_MS for record in records]
    print(f"\nCPU time past a limit of {CPU_MS} ms, {len(over)} loops: median {statistics.median(over):.2f} ms, p99 {quantile(over, 0.99):.2f} ms, most {max(over):.2f} ms")


def cpu(tools, rounds, seconds):
    """JavaScript that only uses the processor, against workerd."""
    source = tools.ROOT / "bench/workers/cpu.js"
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ours = stack.enter_context(tools.edge(directory))
        Deployer(ours).deploy("cpu", source.read_text(), 300_000)
        config, (port,) = workerd_of_many(tools, directory, [source.read_text()])
        stack.enter_context(tools.process(tools.workerd_program(), "serve", config))
        kinds = json.loads(tools.wait_for("workerd", lambda: Visitor(f"127.0.0.1:{port}").get("cpu")[1]))
        sides = {"culvert": Visitor(ours.addresses["http"]), "workerd": Visitor(f"127.0.0.1:{port}")}
        times = {kind: {name: [] for name in sides} for kind in kinds}
        for _ in range(rounds):
            for kind in kinds:
                said = set()
                for name, visitor in sides.items():
                    status, text, milliseconds = visitor.get("cpu", f"/{kind}")
                    if status != 200:
                        raise SystemExit(f"{kind} in {name}: {status} {text}")
                    said.add(text)
                    times[kind][name].append(milliseconds)
                if len(said) > 1:
                    raise SystemExit(f"{kind}: the sides differ: {said}")
    print(f"\nJavaScript that only uses the processor, {rounds} rounds, medians in ms; above 1 Culvert is faster")
    ratios = []
    for kind, row in times.items():
        mine, other = (statistics.median(row[name]) for name in sides)
        ratios.append(other / mine)
        print(f"{kind:14}culvert {mine:8.1f}   workerd {other:8.1f}   ratio {ratios[-1]:5.2f}")
    print(f"geometric mean {statistics.geometric_mean(ratios):.2f}")


def neighbours(tools, rounds, seconds):
    """A well-behaved Worker's latency alone, and beside the hostile ones of the torture suite, 8 at a time."""
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ours = stack.enter_context(tools.edge(directory))
        deployer, good = Deployer(ours), Visitor(ours.addresses["http"])
        deployer.deploy("good", HELLO)
        hostile = sorted((tools.ROOT / "crates/culvert/tests/torture").glob("*.js"))
        for path in hostile:
            deployer.deploy(path.stem.replace("_", "-"), path.read_text(), 1000)
        for _ in range(50):
            good.get("good")
        alone = [good.get("good")[2] for _ in range(1000)]

        def attack(path):
            with contextlib.suppress(http.client.HTTPException, OSError):
                Visitor(ours.addresses["http"]).get(path.stem.replace("_", "-"))

        beside, most = [], 0
        with concurrent.futures.ThreadPoolExecutor(8) as attackers:
            attacks = [attackers.submit(attack, path) for path in hostile]
            while not all(attack.done() for attack in attacks):
                status, _, milliseconds = good.get("good")
                if status != 200:
                    raise SystemExit(f"the well-behaved Worker was harmed: {status}")
                beside.append(milliseconds)
                most = max(most, tools.resident_mib(ours.child.pid))
        print(f"\n{len(hostile)} hostile Workers, 8 at a time, at most 1 s of CPU time each, beside a well-behaved one")
        for name, times in (("alone", alone), ("beside them", beside)):
            print(f"{name:14}{len(times):7} answers   median {statistics.median(times):7.2f} ms   p99 {quantile(times, 0.99):7.2f} ms")
        print(f"at most {most:.0f} MiB resident")


MEASURES = {"start": start, "thousand": thousand, "overrun": overrun, "cpu": cpu, "neighbours": neighbours}
