//! usage: peer-smoltcp DEVICE ADDRESS MTU | peer-smoltcp pair MTU FLOWS SECONDS
//!
//! Peer: smoltcp, either on a TUN, serving the ports of load.h, or as two stacks with a pipe between. Buffers of packets are
//! kept and used again, sockets are made beforehand, as its users do. Packets of 65 500 bytes at most: its own limit.

mod own;
mod pair;

use smoltcp::iface::{Config, Interface};
use smoltcp::phy::{Device, DeviceCapabilities, Medium};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpCidr, Ipv4Address};

pub const MTU_MAX: usize = 65500;
pub const PORT_SINK: u16 = 7001;
pub const PORT_SOURCE: u16 = 7002;
pub const PORT_ECHO: u16 = 7003;
pub const PORT_UDP_ECHO: u16 = 7004;
pub const CHUNK_BYTES: usize = 64 << 10;

pub fn interface(device: &mut impl Device, address: Ipv4Address) -> Interface {
    let mut iface = Interface::new(Config::new(HardwareAddress::Ip), device, Instant::now());
    iface.update_ip_addrs(|all| all.push(IpCidr::new(address.into(), 24)).unwrap());
    iface.routes_mut().add_default_ipv4_route(address).unwrap();
    iface
}

pub fn capabilities(mtu: usize) -> DeviceCapabilities {
    let mut told = DeviceCapabilities::default();
    told.max_transmission_unit = mtu;
    told.medium = Medium::Ip;
    told
}

pub fn tcp_socket(receive_bytes: usize, send_bytes: usize) -> tcp::Socket<'static> {
    let buffer = |bytes| tcp::SocketBuffer::new(vec![0; bytes]);
    let mut socket = tcp::Socket::new(buffer(receive_bytes), buffer(send_bytes));
    socket.set_nagle_enabled(false);
    socket
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| words[at].parse::<usize>().expect("a number");
    match words.len() {
        4 if words[0] == "pair" => pair::run(number(1), number(2), words[3].parse().expect("seconds")),
        3 => own::serve(&words[0], words[1].parse().expect("an address"), number(2)),
        _ => {
            eprintln!("usage: peer-smoltcp DEVICE ADDRESS MTU | peer-smoltcp pair MTU FLOWS SECONDS");
            std::process::exit(2);
        }
    }
}
