//! On a TUN of the client's network.

use crate::{CHUNK_BYTES, MTU_MAX, PORT_ECHO, PORT_SINK, PORT_SOURCE, PORT_UDP_ECHO};
use smoltcp::iface::{PollResult, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, RxToken, TxToken};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::Ipv4Address;

const BULK_BYTES: usize = 1 << 20;
const SMALL_BYTES: usize = 4 << 10;
/* poll() looks at every socket each time: no more of them than the tests need. */
const SOCKETS: [(u16, usize, usize, usize); 3] = [
    (PORT_SINK, 10, BULK_BYTES, SMALL_BYTES),
    (PORT_SOURCE, 10, SMALL_BYTES, BULK_BYTES),
    (PORT_ECHO, 40, SMALL_BYTES, SMALL_BYTES),
];

struct Tun {
    fd: i32,
    mtu: usize,
    received: Vec<u8>,
    sent: Vec<u8>,
}

struct Received<'a>(&'a [u8]);
struct ToSend<'a>(i32, &'a mut [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(self.0)
    }
}

impl TxToken for ToSend<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let filled = fill(&mut self.1[..len]);
        unsafe { libc::write(self.0, self.1.as_ptr().cast(), len) };
        filled
    }
}

impl Device for Tun {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = ToSend<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, ToSend<'_>)> {
        let n = unsafe { libc::read(self.fd, self.received.as_mut_ptr().cast(), self.received.len()) };
        let len = usize::try_from(n).ok().filter(|&len| len > 0)?;
        Some((Received(&self.received[..len]), ToSend(self.fd, &mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<ToSend<'_>> {
        Some(ToSend(self.fd, &mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        crate::capabilities(self.mtu)
    }
}

fn open_tun(name: &str, mtu: usize) -> Tun {
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let flags = (libc::IFF_TUN | libc::IFF_NO_PI) as i16;
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = flags;
    let fd = unsafe { libc::open(c"/dev/net/tun".as_ptr(), libc::O_RDWR | libc::O_NONBLOCK) };
    assert!(fd >= 0, "/dev/net/tun: {}", std::io::Error::last_os_error());
    let set = unsafe {
        libc::ioctl(fd, 0x4004_54ca /* TUNSETIFF */, &mut request)
    };
    assert!(set >= 0, "TUNSETIFF: {}", std::io::Error::last_os_error());
    Tun { fd, mtu: mtu.min(MTU_MAX), received: vec![0; 1 << 16], sent: vec![0; 1 << 16] }
}

/// Returns whether anything was done.
fn serve_tcp(socket: &mut tcp::Socket, port: u16, chunk: &mut [u8]) -> bool {
    let mut moved = 0;
    loop {
        let n = match port {
            PORT_SINK => socket.recv_slice(chunk).unwrap_or(0),
            PORT_SOURCE => socket.send_slice(chunk).unwrap_or(0),
            _ if socket.can_send() => {
                let n = socket.recv_slice(&mut chunk[..SMALL_BYTES / 2]).unwrap_or(0);
                socket.send_slice(&chunk[..n]).unwrap_or(0)
            }
            _ => 0,
        };
        if n == 0 {
            break;
        }
        moved += n;
    }
    match socket.state() {
        tcp::State::CloseWait => socket.close(),
        tcp::State::TimeWait => socket.abort(), // else 40 sockets would be all who may connect in ten seconds
        tcp::State::Closed => socket.listen(port).expect("listens"),
        _ => return moved > 0,
    }
    true
}

fn serve_udp(socket: &mut udp::Socket, chunk: &mut [u8]) -> bool {
    let mut has_moved = false;
    while socket.can_recv() && socket.can_send() {
        let (n, from) = socket.recv_slice(chunk).expect("received");
        socket.send_slice(&chunk[..n], from.endpoint).expect("sent");
        has_moved = true;
    }
    has_moved
}

fn udp_socket() -> udp::Socket<'static> {
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 256], vec![0; 256 << 10]);
    let mut socket = udp::Socket::new(buffer(), buffer());
    socket.bind(PORT_UDP_ECHO).expect("binds");
    socket
}

fn wait(fd: i32, milliseconds: Option<u64>) {
    let timeout = milliseconds.map_or(-1, |ms| ms.min(1000) as i32);
    let mut waited = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    unsafe { libc::poll(&mut waited, 1, timeout) };
}

pub fn serve(device: &str, address: Ipv4Address, mtu: usize) {
    let mut tun = open_tun(device, mtu);
    let mut iface = crate::interface(&mut tun, address);
    let mut sockets = SocketSet::new(vec![]);
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut served: Vec<(u16, SocketHandle)> = vec![];
    for (port, count, receive_bytes, send_bytes) in SOCKETS {
        for _ in 0..count {
            served.push((port, sockets.add(crate::tcp_socket(receive_bytes, send_bytes))));
        }
    }
    let udp = sockets.add(udp_socket());
    println!("ready");
    loop {
        let mut is_busy = iface.poll(Instant::now(), &mut tun, &mut sockets) != PollResult::None;
        for &(port, handle) in &served {
            is_busy |= serve_tcp(sockets.get_mut(handle), port, &mut chunk);
        }
        is_busy |= serve_udp(sockets.get_mut(udp), &mut chunk);
        if !is_busy {
            wait(tun.fd, iface.poll_delay(Instant::now(), &sockets).map(|delay| delay.total_millis()));
        }
    }
}
