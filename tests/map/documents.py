#!/usr/bin/env python3
"""The documents of `runnel map`, checked against what they promise: runnel.map/1 against its schema, strictly, and
Gostwire's against the members, types and references that Edgeshark's page needs.

usage: documents.py SOURCE_DIR [runnel.map/1 FILE] [gostwire FILE]

Without files: the golden ones, and broken copies of them that must be refused. With files: those, for use on a live
machine: `runnel map --json > a; runnel map --gostwire > b; tests/map/documents.py . a b`.
"""
import copy
import json
import pathlib
import sys
import xml.etree.ElementTree

SKIP = 77
try:
    import jsonschema
except ImportError:
    print("skipped: python3-jsonschema is not installed")
    sys.exit(SKIP)

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")


# ---- runnel.map/1 ----

def close_objects(schema):
    """Readers must bear new members; we must not write one that the schema does not tell."""
    if isinstance(schema, dict):
        if "properties" in schema:
            schema["additionalProperties"] = False
        for value in schema.values():
            close_objects(value)
    elif isinstance(schema, list):
        for value in schema:
            close_objects(value)
    return schema


def map_errors(document):
    schema = json.loads((ROOT / "share/runnel.map-1.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(close_objects(schema))
    errors = [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:200]}" for e in validator.iter_errors(document)]
    return errors + dangling_refs(document)


def dangling_refs(document):
    """Every namespace and pid that is referred to is in the document."""
    ids = {ns["id"] for ns in document["namespaces"]}
    pids = {p["pid"] for p in document["processes"]}
    links = {(ns["id"], link["index"]) for ns in document["namespaces"] for link in ns["links"]}
    errors = []
    for ns in document["namespaces"]:
        for link in ns["links"]:
            for ref in [link["peer"], link["master"], link["lower"], *link["ports"], *link["uppers"]]:
                if ref is not None and (ref["netns"], ref["index"]) not in links:
                    errors.append(f"{ns['id']}/{link['name']}: refers to {ref}")
        for holder in ns["sockets"] + ns["forwards"]:
            errors += [f"{ns['id']}: pid {pid} is not there" for pid in holder["owners"] if pid not in pids]
        errors += [f"{ns['id']}: leads to {f['to_netns']}" for f in ns["forwards"]
                   if f["to_netns"] is not None and f["to_netns"] not in ids]
    return errors


# ---- Gostwire ----

TEXT, NUMBER, BOOL, LIST, OBJECT = str, int, bool, list, dict
REF = {"idref": TEXT, "index": NUMBER, "name": TEXT}
OWNER = {"pid": NUMBER, "cmdline": TEXT, "container-idref": TEXT}
ADDRESS = {"family": NUMBER, "address": TEXT, "prefixlen": NUMBER, "preferred-lifetime": NUMBER,
           "valid-lifetime": NUMBER, "scope": NUMBER, "index": NUMBER}
FAMILIES = {"ipv4": LIST, "ipv6": LIST}
# What must be there, and of which type.
SHAPES = {
    "top": {"metadata": OBJECT, "network-namespaces": LIST, "pid-namespaces": LIST},
    "netns": {"container-groups": LIST, "containers": LIST, "id": TEXT, "netnsid": NUMBER, "network-interfaces": LIST,
              "routes": OBJECT, "transport-ports": OBJECT, "forwarded-ports": OBJECT},
    "group": {"container-idrefs": LIST, "id": TEXT, "name": TEXT, "type": TEXT, "type-text": TEXT},
    "container": {"cmdline": TEXT, "dns": OBJECT, "group": TEXT, "id": TEXT, "name": TEXT, "prefix": TEXT,
                  "api-path": TEXT, "pid": NUMBER, "pidns": NUMBER, "pidns-idref": TEXT, "status": TEXT, "type": TEXT,
                  "type-text": TEXT},
    "dns": {"uts-hostname": TEXT, "etc-hostname": TEXT, "domainname": TEXT, "nameservers": LIST,
            "searchlist": LIST, "etc-hosts": LIST},
    "nif": {"id": TEXT, "kind": TEXT, "name": TEXT, "index": NUMBER, "addresses": OBJECT, "operstate": TEXT,
            "physical": BOOL, "driverinfo": OBJECT, "promisc": BOOL},
    "addresses": {"mac": TEXT, **FAMILIES},
    "route": {"type": TEXT, "family": NUMBER, "destination": TEXT, "destination-prefixlen": NUMBER, "preference": TEXT,
              "priority": NUMBER, "table": NUMBER},
    "port": {"family": NUMBER, "protocol": TEXT, "local-address": TEXT, "local-port": NUMBER, "local-servicename": TEXT,
             "remote-address": TEXT, "remote-port": NUMBER, "remote-servicename": TEXT, "state": TEXT,
             "macrostate": TEXT, "owners": LIST, "network-interface-idrefs": LIST},
    "forward": {"family": NUMBER, "protocol": TEXT, "ip": TEXT, "port": NUMBER, "servicename": TEXT, "forward-ip": TEXT,
                "forward-port": NUMBER, "forward-servicename": TEXT, "netnsid": NUMBER, "owners": LIST,
                "network-interface-refs": LIST},
    "vxlan": {"idref": TEXT, "vid": NUMBER, "arp-proxy": BOOL, "source-portrange": OBJECT, "remote-port": NUMBER},
    "tuntap": {"mode": TEXT, "processors": LIST},
    "vlan": {"vid": NUMBER, "vlan-protocol": NUMBER},
    "peer": {"peer-idref": TEXT, "peer-index": NUMBER, "peer-name": TEXT},
    "pidns": {"id": TEXT, "pidnsid": NUMBER, "children": LIST, "container-idrefs": LIST},
    "metadata": {"creator": TEXT, "creator-id": TEXT, "creator-version": TEXT, "creation-timestamp": TEXT,
                 "hostname": TEXT, "osrel-name": TEXT, "osrel-version": TEXT, "kernel-version": TEXT, "cpus": LIST,
                 "container-engines": LIST},
}
MACROSTATES = {"listening", "connected", "unconnected"}
STATES = {"connected", "SYN sent", "SYN received", "FIN WAIT1", "FIN WAIT2", "time wait", "closed", "close wait",
          "last ACK", "listening", "closing", "new SYN received"}
OPERSTATES = {"UNKNOWN", "NOTPRESENT", "DOWN", "LOWERLAYERDOWN", "TESTING", "DORMANT", "UP"}
TYPES = {"docker", "containerd", "podman", "CRI", "proc", "bindmount"}


class Gostwire:
    def __init__(self, document):
        self.errors = []
        self.document = document

    def fail(self, where, what):
        self.errors.append(f"{where}: {what}")

    def shape(self, where, value, shape):
        if not isinstance(value, dict):
            self.fail(where, "is no object")
            return False
        for key, wanted in (SHAPES[shape] if isinstance(shape, str) else shape).items():
            if key not in value:
                self.fail(where, f"has no {key}")
            elif not isinstance(value[key], wanted) or (wanted is NUMBER and isinstance(value[key], bool)):
                self.fail(where, f"{key} is {value[key]!r}")
        return True

    def each(self, where, values, shape):
        for i, value in enumerate(values):
            if self.shape(f"{where}[{i}]", value, shape):
                yield f"{where}[{i}]", value

    def one_of(self, where, value, allowed):
        if value not in allowed:
            self.fail(where, f"{value!r} is not one of {sorted(allowed)}")

    def check(self):
        if not self.shape("document", self.document, "top") or self.errors:
            return self.errors
        self.shape("metadata", self.document["metadata"], "metadata")
        spaces = self.document["network-namespaces"]
        try:
            self.nifs = {nif["id"] for ns in spaces for nif in ns["network-interfaces"]}
            for where, ns in self.each("netns", spaces, "netns"):
                self.netns(where, ns)
            self.pidns("pid-namespaces", self.document["pid-namespaces"])
        except (KeyError, TypeError, AttributeError) as e:
            self.fail("document", f"cannot be walked through: {e!r}")
        return self.errors

    def netns(self, where, ns):
        groups = {g["id"] for _, g in self.each(f"{where}/groups", ns["container-groups"], "group")}
        if not ns["containers"]:
            self.fail(where, "no containers: the page turns white")
        for at, c in self.each(f"{where}/containers", ns["containers"], "container"):
            self.shape(f"{at}/dns", c["dns"], "dns")
            self.one_of(f"{at}/type", c["type"], TYPES)
            self.one_of(f"{at}/status", c["status"], {"running", "paused"})
            if c["group"]:
                self.one_of(f"{at}/group", c["group"], groups)
        for at, nif in self.each(f"{where}/nifs", ns["network-interfaces"], "nif"):
            self.nif(at, nif)
        for family in FAMILIES:
            for at, route in self.each(f"{where}/routes/{family}", ns["routes"][family], "route"):
                self.one_of(f"{at}/table", route["table"], {254, 255})
                self.nif_ref(at, route.get("network-interface-idref", ""))
            for at, port in self.each(f"{where}/ports/{family}", ns["transport-ports"][family], "port"):
                self.one_of(f"{at}/macrostate", port["macrostate"], MACROSTATES)
                self.one_of(f"{at}/state", port["state"], STATES)
                self.owners(at, port["owners"])
                for ref in port["network-interface-idrefs"]:
                    self.nif_ref(at, ref)
            for at, forward in self.each(f"{where}/forwards/{family}", ns["forwarded-ports"][family], "forward"):
                self.owners(at, forward["owners"])
                for ref in forward["network-interface-refs"]:
                    self.nif_ref(at, ref)

    def nif(self, where, nif):
        self.one_of(f"{where}/operstate", nif["operstate"], OPERSTATES)
        self.shape(f"{where}/driverinfo", nif["driverinfo"], {"driver": TEXT})
        if self.shape(f"{where}/addresses", nif["addresses"], "addresses"):
            for family in FAMILIES:
                for _ in self.each(f"{where}/{family}", nif["addresses"][family], ADDRESS):
                    pass
        for key in ("slaves", "macvlans"):
            for at, ref in self.each(f"{where}/{key}", nif.get(key, []), REF):
                self.nif_ref(at, ref["idref"])
        for key in ("master", "macvlan", "pf"):
            if key in nif and self.shape(f"{where}/{key}", nif[key], REF):
                self.nif_ref(f"{where}/{key}", nif[key]["idref"])
        for key in ("vxlan", "tuntap", "vlan", "peer"):
            if key in nif:
                self.shape(f"{where}/{key}", nif[key], key)
        if "tuntap" in nif:
            self.owners(where, nif["tuntap"]["processors"])
        if "vxlan" in nif:
            self.nif_ref(where, nif["vxlan"]["idref"])
            self.shape(f"{where}/vxlan", nif["vxlan"]["source-portrange"], {"low": NUMBER, "high": NUMBER})

    def owners(self, where, owners):
        for _ in self.each(f"{where}/owners", owners, OWNER):
            pass

    def nif_ref(self, where, ref):
        if ref and ref not in self.nifs:
            self.fail(where, f"refers to {ref}, which is not there")

    def pidns(self, where, spaces):
        for at, space in self.each(where, spaces, "pidns"):
            self.pidns(f"{at}/children", space["children"])


def gostwire_errors(document):
    return Gostwire(document).check()


# ---- what must be refused ----

def first(document, wanted):
    for ns in document["network-namespaces"]:
        for nif in ns["network-interfaces"]:
            if wanted in nif:
                return nif
    raise KeyError(wanted)


def delete(*path):
    def change(document):
        at = document
        for step in path[:-1]:
            at = at[step]
        del at[path[-1]]
    return change


NS = "network-namespaces"
# Research of the page: without these it shows nothing, or turns white.
FATAL = {
    "network-namespaces": delete(NS),
    **{key: delete(NS, 0, key) for key in ("container-groups", "containers", "network-interfaces")},
    **{f"{key}/{family}": delete(NS, 0, key, family)
       for key in ("routes", "transport-ports", "forwarded-ports") for family in ("ipv4", "ipv6")},
    "owners of a port": delete(NS, 0, "transport-ports", "ipv4", 0, "owners"),
    "cmdline of an owner": delete(NS, 0, "transport-ports", "ipv4", 0, "owners", 0, "cmdline"),
    "name of a container": delete(NS, 0, "containers", 0, "name"),
    "cmdline of a container": delete(NS, 0, "containers", 0, "cmdline"),
    "dns": delete(NS, 0, "containers", 0, "dns"),
    "dns/etc-hosts": delete(NS, 0, "containers", 0, "dns", "etc-hosts"),
    "searchlist null": lambda d: d[NS][0]["containers"][0]["dns"].update({"searchlist": None}),
    "dns/etc-hosts null": lambda d: d[NS][0]["containers"][0]["dns"].update({"etc-hosts": None}),
    "addresses/ipv4": delete(NS, 0, "network-interfaces", 0, "addresses", "ipv4"),
    "addresses/ipv6": delete(NS, 0, "network-interfaces", 0, "addresses", "ipv6"),
    "operstate": delete(NS, 0, "network-interfaces", 0, "operstate"),
    "empty containers": lambda d: d[NS][0].update({"containers": []}),
    "source-portrange": lambda d: first(d, "vxlan")["vxlan"].pop("source-portrange"),
    "processors": lambda d: first(d, "tuntap")["tuntap"].pop("processors"),
    "slaves that do not resolve": lambda d: first(d, "slaves")["slaves"][0].update({"idref": "nif-1-1"}),
    "macvlans that do not resolve": lambda d: first(d, "macvlans")["macvlans"][0].update({"idref": "nif-1-1"}),
    "a group that does not resolve": lambda d: d[NS][0]["containers"][0].update({"group": "group-99"}),
}
BROKEN_MAP = {
    "no unreadable": lambda d: d.pop("unreadable"),
    "another schema": lambda d: d.update({"schema": "runnel.map/2"}),
    "a u64 as number": lambda d: d["namespaces"][0].update({"inode": 4026531840}),
    "an unlisted member": lambda d: d["namespaces"][0]["links"][0].update({"surprise": 1}),
    "a dangling peer": lambda d: d["namespaces"][0]["links"][0].update(
        {"peer": {"netns": "net-1", "index": 1, "name": "x"}}),
}


def refuse_broken(name, document, changes, errors_of):
    missed = []
    for what, change in changes.items():
        broken = copy.deepcopy(document)
        change(broken)
        if not errors_of(broken):
            missed.append(f"{name} without or with {what} passes, and must not")
    return missed


def svg_errors(path):
    """Well-formed, nothing fetched or run, no text too small to read at its 1600 units."""
    root = xml.etree.ElementTree.parse(path).getroot()
    errors = [f"{path.name}: has {e.tag}" for e in root.iter() if e.tag.rpartition("}")[2] in ("script", "image", "a", "use")]
    sizes = [float(e.get("font-size", "0")) for e in root.iter() if e.tag.endswith("}text")]
    if not sizes or min(sizes) < 9:
        errors.append(f"{path.name}: texts of sizes {sorted(set(sizes))}")
    return errors


def main():
    golden = ROOT / "tests/golden/map"
    is_golden = len(sys.argv) < 4
    map_file = golden / "map.json" if is_golden else pathlib.Path(sys.argv[2])
    gostwire_file = golden / "gostwire.json" if is_golden else pathlib.Path(sys.argv[3])
    map_document = json.loads(map_file.read_text())
    gostwire_document = json.loads(gostwire_file.read_text())
    errors = map_errors(map_document) + gostwire_errors(gostwire_document)
    if is_golden:
        errors += svg_errors(golden / "map.svg")
        errors += refuse_broken("runnel.map/1", map_document, BROKEN_MAP, map_errors)
        errors += refuse_broken("gostwire", gostwire_document, FATAL, gostwire_errors)
    for error in errors[:40]:
        print(error)
    print(f"{len(errors)} errors")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
