"""The measure of `bench/run` that is about the Workers APIs: the same Workers in Culvert and in workerd, a request a time."""

import contextlib
import json
import math
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import urllib.request

HONO_VERSION = "4.13.19"
ESBUILD_VERSION = "0.28.2"
CONNECTIONS = 8

LINE = {"name": "An item of some kind", "price": 12.5, "count": 3, "tags": ["new", "heavy", "blue"], "stock": {"here": 5, "there": None}}
ORDER = json.dumps({"id": 7, "customer": "someone", "lines": [LINE] * (10 * 1024 // len(json.dumps(LINE)))})


def quoted(text):
    return json.dumps(text)


# What wrk sends besides GET, as Lua.
SCRIPTS = {
    "json": f'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\nwrk.body = {quoted(ORDER)}\n',
    "headers": "\n".join(f'wrk.headers["X-Field-{i}"] = "the value of field number {i}"' for i in range(50)),
}
# Each measure: its Worker and its path.
PATHS = {
    "json": ("apis", "/json"),
    "headers": ("apis", "/headers"),
    "stream": ("apis", "/stream"),
    "html": ("apis", "/html"),
    "hash": ("apis", "/hash"),
    "url": ("apis", "/url"),
    "hono": ("hono", "/api/invoices/17?page=2"),
}


def hono(bench, directory: pathlib.Path) -> pathlib.Path:
    """The Hono application as one file."""
    home = bench.CACHE / "bench"
    if not (home / "node_modules/hono").exists() or not (home / "node_modules/esbuild").exists():
        packages = [f"hono@{HONO_VERSION}", f"esbuild@{ESBUILD_VERSION}"]
        print(f"Installing {' and '.join(packages)} from npm", flush=True)
        npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", home, *packages]
        subprocess.run([str(word) for word in npm], check=True)
    shutil.copy(bench.ROOT / "bench/workers/hono.js", home / "hono-app.js")
    bundle = directory / "hono.js"
    command = [home / "node_modules/.bin/esbuild", home / "hono-app.js", "--bundle", "--format=esm", f"--outfile={bundle}", "--log-level=warning"]
    subprocess.run([str(word) for word in command], check=True)
    return bundle


@contextlib.contextmanager
def workerd(bench, directory: pathlib.Path, files: dict, core):
    """A workerd with each Worker on a port of its own. Gives their URLs."""
    ports = {name: bench.free_port() for name in files}
    services = ",\n".join(
        f'(name = "{name}", worker = (modules = [(name = "{name}.js", esModule = embed "{name}.js")], compatibilityDate = "2025-09-01"))' for name in files
    )
    sockets = ",\n".join(f'(name = "{name}", address = "127.0.0.1:{ports[name]}", http = (), service = "{name}")' for name in files)
    config = directory / "apis.capnp"
    config.write_text(f'using Workerd = import "/workerd/workerd.capnp";\nconst config :Workerd.Config = (services = [{services}], sockets = [{sockets}]);\n')
    with bench.process(bench.workerd_program(), "serve", config, core=core) as child:
        urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        bench.wait_for("workerd", lambda: urllib.request.urlopen(f"{urls['apis']}/url", timeout=2).status == 200)
        yield child, urls


def apis(bench, rounds: int, seconds: int):
    """JSON, headers, streams, HTML, hashes, URLs and a Hono application: requests per second, against workerd."""
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        files = {"apis": bench.ROOT / "bench/workers/apis.js", "hono": hono(bench, directory)}
        shutil.copy(files["apis"], directory / "apis.js")
        ours = stack.enter_context(bench.edge(directory, core=bench.SERVER_CORE))
        for name in files:
            project = directory / name
            project.mkdir()
            shutil.copy(directory / f"{name}.js", project / "index.js")
            (project / "wrangler.json").write_text(json.dumps({"name": name, "main": "index.js", "compatibility_date": "2025-09-01"}))
            ours.run("deploy", project)
        _, peers = stack.enter_context(workerd(bench, directory, files, bench.SERVER_CORE))
        scripts = {}
        for name, text in SCRIPTS.items():
            scripts[name] = directory / f"{name}.lua"
            scripts[name].write_text(text)
        results = {}
        for measure, (worker, path) in PATHS.items():
            sides = {"culvert": (f"{ours.visitors().rstrip('/')}{path}", f"{worker}.localhost"), "workerd": (f"{peers[worker]}{path}", None)}
            runs = results[measure] = {name: [] for name in sides}
            for url, host in sides.values():
                bench.wrk(url, 1, CONNECTIONS, host, scripts.get(measure))
            for _ in range(rounds):
                for name, (url, host) in sides.items():
                    runs[name].append(bench.wrk(url, seconds, CONNECTIONS, host, scripts.get(measure))["rate"])
    print(f"\nthe Workers APIs, wrk -t1 -c{CONNECTIONS}, one core each, {rounds} rounds of {seconds} s, medians of requests per second")
    print(f"{'':10}{'culvert':>12}{'workerd':>12}{'ratio':>8}")
    ratios = []
    for measure, runs in results.items():
        ratio = statistics.median(mine / theirs for mine, theirs in zip(runs["culvert"], runs["workerd"]))
        ratios.append(ratio)
        print(f"{measure:10}{statistics.median(runs['culvert']):12.0f}{statistics.median(runs['workerd']):12.0f}{ratio:8.2f}")
    print(f"{'geometric mean':34}{math.exp(statistics.mean(map(math.log, ratios))):8.2f}")


MEASURES = {"apis": apis}
