"""What clean-all takes for its own."""

from dev.cluster.lifecycle import clean

LISTED = """\
-P INPUT ACCEPT
-P FORWARD DROP
-N DOCKER
-N DOCKER-USER
-N KUBE-MARK
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A FORWARD -j DOCKER-USER
-A FORWARD -o br-42a337ed3d92 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i eth0 -o tun0 -j ACCEPT
-A DOCKER-USER -j RETURN
-A POSTROUTING -s 10.70.0.0/24 ! -o br-42a337ed3d92 -j MASQUERADE
-A POSTROUTING -s 10.70.0.4/32 -d 10.70.0.4/32 -p tcp -m tcp --dport 6443 -j MASQUERADE
-A POSTROUTING -s 10.8.0.0/24 -o eth0 -j MASQUERADE
"""


def test_only_dockers_rules_and_chains_go() -> None:
    """The machine's own rules and other programs' chains stay; rules inside a chain go with it."""
    rules, chains = clean.leftovers(LISTED)
    assert chains == ["DOCKER", "DOCKER-USER"]
    assert [rule[:3] for rule in rules] == [
        ["FORWARD", "-j", "DOCKER-USER"],
        ["FORWARD", "-o", "br-42a337ed3d92"],
        ["FORWARD", "-i", "docker0"],
        ["POSTROUTING", "-s", "10.70.0.0/24"],
        ["POSTROUTING", "-s", "10.70.0.4/32"],
    ]


def test_only_processes_of_our_folder_are_ended() -> None:
    """Another daemon's containerd has the same name and another folder."""
    commands = {
        10: "containerd --config /run/marauders-dev/docker/containerd/containerd.toml",
        11: "containerd --config /var/run/docker/containerd/containerd.toml",
    }
    assert clean.processes_of(commands, "/run/marauders-dev/") == [10]
