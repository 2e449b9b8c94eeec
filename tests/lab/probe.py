# SPDX-License-Identifier: MIT
"""A UDP probe that tells how a NAT maps and filters, independent of wend and of STUN.

    probe.py server PORT PORT ADDRESS…     answers on every address and both ports
    probe.py nat PORT PORT ADDRESS ADDRESS prints JSON: mapping, filtering, ports
    probe.py seen PORT PORT ADDRESS        prints the address and port that the server sees
    probe.py early PORT PORT ADDRESS ADDRESS   does a peer's early packet move our mapping?
    probe.py hairpin PORT PORT ADDRESS     do two sockets here meet through the outside?
    probe.py flows IP:PORT RATE            opens RATE new flows a second until it is ended
"""
import json
import select
import socket
import sys
import time

TRIES = 3
PATIENCE = 0.4  # seconds for an answer that is expected
SILENCE = 0.6  # seconds before a missing packet counts as filtered


def open_socket(address, port=0):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind((address, port))
    return sock


def client_socket(towards):
    return open_socket("::" if ":" in towards else "0.0.0.0")


def serve(ports, addresses):
    socks = {(a, p): open_socket(a, p) for a in addresses for p in ports}
    print("ready", flush=True)
    while True:
        for sock in select.select(list(socks.values()), [], [])[0]:
            data, source = sock.recvfrom(2048)
            question = json.loads(data)
            answer = {"id": question["id"], "seen": source[:2]}
            sender = socks.get(tuple(question.get("from", ())), sock)
            sender.sendto(json.dumps(answer).encode(), source)


def receive(sock, number, timeout):
    """The answer with this id within `timeout`, or None."""
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        if select.select([sock], [], [], left)[0]:
            answer = json.loads(sock.recv(2048))
            if answer["id"] == number:
                return answer
    return None


def ask(sock, target, answer_from=None, tries=TRIES, timeout=PATIENCE, number=1):
    question = {"id": number}
    if answer_from:
        question["from"] = answer_from
    for _ in range(tries):
        sock.sendto(json.dumps(question).encode(), target)
        answer = receive(sock, number, timeout)
        if answer:
            return tuple(answer["seen"])
    return None


def own_address(target):
    sock = client_socket(target[0])
    sock.connect(target)
    return sock.getsockname()[0]


def measure_mapping(targets, first_address):
    sock = client_socket(first_address)
    seen = [ask(sock, targets[0])]
    if seen[0]:
        seen += [ask(sock, target, number=2 + i) for i, target in enumerate(targets[1:])]
    local = (own_address(targets[0]), sock.getsockname()[1])
    if None in seen:
        mapping = "blocked"
    elif all(s == local for s in seen):
        mapping = "none"
    elif len(set(seen)) == 1:
        mapping = "endpoint-independent"
    elif all(len({s for t, s in zip(targets, seen) if t[0] == a}) == 1 for a, _ in targets):
        mapping = "address-dependent"
    else:
        mapping = "address-and-port-dependent"
    return mapping, local, seen


def measure_filtering(here, other_port, other_address):
    """Each question from a socket of its own, so that no earlier hole helps."""

    def passes(answer_from):
        sock = client_socket(here[0])
        if ask(sock, here) is None:
            return None
        return ask(sock, here, answer_from, tries=2, timeout=SILENCE / 2, number=2) is not None

    if passes(other_address):
        return "endpoint-independent"
    return "address-dependent" if passes(other_port) else "address-and-port-dependent"


def measure(ports, addresses):
    first, second = addresses[:2]
    targets = [(first, ports[0]), (first, ports[1]), (second, ports[0]), (second, ports[1])]
    mapping, local, seen = measure_mapping(targets, first)
    result = {"mapping": mapping, "local": local, "seen": seen, "filtering": None}
    if mapping != "blocked":
        result["ports"] = [port for _, port in seen]
        result["filtering"] = measure_filtering(targets[0], targets[1], targets[3])
    return result


def seen_from(ports, addresses):
    return ask(client_socket(addresses[0]), (addresses[0], ports[0]))


def early(ports, addresses):
    """Maps, lets a stranger knock, then speaks to that stranger from the same socket."""
    first, stranger = (addresses[0], ports[0]), (addresses[1], ports[1])
    sock = client_socket(first[0])
    before = ask(sock, first)
    ask(sock, first, stranger, tries=1, timeout=SILENCE / 2, number=2)
    return {"before": before, "after": ask(sock, stranger, number=3)}


def hairpin(ports, addresses):
    target = (addresses[0], ports[0])
    one, two = client_socket(target[0]), client_socket(target[0])
    outside, outside_two = ask(one, target), ask(two, target)
    two.sendto(json.dumps({"id": 9}).encode(), outside)
    if not select.select([one], [], [], SILENCE)[0]:
        return {"met": False, "outside": outside_two}
    return {"met": True, "source": one.recvfrom(2048)[1][:2], "outside": outside_two}


def flows(target, rate):
    address, port = target.rsplit(":", 1)
    print("ready", flush=True)
    started, sent = time.monotonic(), 0
    while True:
        with client_socket(address) as sock:
            sock.sendto(b'{"id": 0}', (address, int(port)))
        sent += 1
        time.sleep(max(0, started + sent / rate - time.monotonic()))


def main(verb, *words):
    if verb == "flows":
        flows(words[0], float(words[1]))
        return
    ports, addresses = [int(word) for word in words[:2]], words[2:]
    if verb == "server":
        serve(ports, addresses)
    verbs = {"nat": measure, "seen": seen_from, "early": early, "hairpin": hairpin}
    print(json.dumps(verbs[verb](ports, addresses)))


if __name__ == "__main__":
    main(*sys.argv[1:])
