"""Who is one visitor, by address: of IPv6 a whole network, for whoever has one address of it has them all."""

from ipaddress import ip_network

_WIDTH_OF_IPV6 = 64


def network_of(address: str) -> str:
    """Where somebody comes from, as far as one visitor cannot change it at will."""
    if ":" not in address or "." in address:  # an IPv4 address, which a socket for both kinds shows as ::ffff:192.0.2.1
        return address
    return str(ip_network(f"{address.partition('%')[0]}/{_WIDTH_OF_IPV6}", strict=False))
