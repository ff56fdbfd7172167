// usage: gvisor own DEVICE ADDRESS MTU     its stack on a TUN, serving the ports of load.h
//
//	gvisor relay PID DEVICE MTU        its forwarders on a TUN in the network of process PID, host sockets in ours
//	gvisor pair MTU FLOWS SECONDS      two stacks in one process, joined by link/channel; prints Gbit/s
//
// Peer: gVisor's netstack as Debian packages it (golang-gvisor-gvisor-dev). Says "ready".
package main

import (
	"fmt"
	"log"
	"net"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/fdbased"
	"gvisor.dev/gvisor/pkg/tcpip/link/tun"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

const chunkBytes = 256 << 10

func must(err error, what string) {
	if err != nil {
		log.Fatalf("%s: %v", what, err)
	}
}

func mustTCPIP(err tcpip.Error, what string) {
	if err != nil {
		log.Fatalf("%s: %v", what, err)
	}
}

// newStack has TCP with SACK and buffers that grow as the kernel's do.
func newStack() *stack.Stack {
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
	})
	sack := tcpip.TCPSACKEnabled(true)
	mustTCPIP(s.SetTransportProtocolOption(tcp.ProtocolNumber, &sack), "SACK")
	moderate := tcpip.TCPModerateReceiveBufferOption(true)
	mustTCPIP(s.SetTransportProtocolOption(tcp.ProtocolNumber, &moderate), "receive buffer")
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: 4096, Default: 1 << 20, Max: 6 << 20}
	mustTCPIP(s.SetTransportProtocolOption(tcp.ProtocolNumber, &receive), "receive buffer")
	send := tcpip.TCPSendBufferSizeRangeOption{Min: 4096, Default: 1 << 20, Max: 6 << 20}
	mustTCPIP(s.SetTransportProtocolOption(tcp.ProtocolNumber, &send), "send buffer")
	return s
}

func defaultRoute(s *stack.Stack) {
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: 1}})
}

func addAddress(s *stack.Stack, address net.IP, bits int) {
	mustTCPIP(s.AddProtocolAddress(1, tcpip.ProtocolAddress{
		Protocol:          ipv4.ProtocolNumber,
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: tcpip.Address(address.To4()), PrefixLen: bits},
	}, stack.AddressProperties{}), "address")
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	must(err, text)
	return n
}

// onTun puts NIC 1 over a new TUN of the present network namespace.
func onTun(s *stack.Stack, device string, mtu int) {
	fd, err := tun.Open(device)
	must(err, "TUN")
	must(unix.SetNonblock(fd, true), "TUN")
	endpoint, err := fdbased.New(&fdbased.Options{FDs: []int{fd}, MTU: uint32(mtu)})
	must(err, "link")
	mustTCPIP(s.CreateNIC(1, endpoint), "NIC")
}

// within calls f in the network of a process, and comes back.
func within(pid string, f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	open := func(path string) int {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		must(err, path)
		return fd
	}
	home, there := open("/proc/thread-self/ns/net"), open("/proc/"+pid+"/ns/net")
	must(unix.Setns(there, unix.CLONE_NEWNET), "setns")
	f()
	must(unix.Setns(home, unix.CLONE_NEWNET), "setns")
	unix.Close(there)
	unix.Close(home)
}

func main() {
	log.SetFlags(0)
	switch {
	case len(os.Args) == 5 && os.Args[1] == "own":
		s := newStack()
		onTun(s, os.Args[2], number(os.Args[4]))
		defaultRoute(s)
		addAddress(s, net.ParseIP(os.Args[3]), 32)
		serve(s, net.ParseIP(os.Args[3]))
	case len(os.Args) == 5 && os.Args[1] == "relay":
		s := newStack()
		within(os.Args[2], func() { onTun(s, os.Args[3], number(os.Args[4])) })
		defaultRoute(s)
		relay(s)
	case len(os.Args) == 5 && os.Args[1] == "pair":
		seconds, err := strconv.ParseFloat(os.Args[4], 64)
		must(err, "seconds")
		pair(number(os.Args[2]), number(os.Args[3]), seconds)
		return
	default:
		log.Fatal("usage: gvisor own DEVICE ADDRESS MTU | relay PID DEVICE MTU | pair MTU FLOWS SECONDS")
	}
	fmt.Println("ready")
	select {}
}
