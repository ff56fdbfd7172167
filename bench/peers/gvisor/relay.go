package main

import (
	"io"
	"net"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

const openAtOnce = 4096

func hostAddress(address tcpip.Address, port uint16) *net.TCPAddr {
	return &net.TCPAddr{IP: net.IP(address), Port: int(port)}
}

// splice carries both ways and ends when one of them has.
func splice(inner, outer net.Conn, bufferBytes int) {
	defer inner.Close()
	defer outer.Close()
	done := make(chan struct{}, 2)
	carry := func(to io.Writer, from io.Reader) {
		_, _ = io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, make([]byte, bufferBytes))
		done <- struct{}{}
	}
	go carry(inner, outer)
	go carry(outer, inner)
	<-done
}

func onTCP(request *tcp.ForwarderRequest) {
	id := request.ID()
	outer, err := net.DialTCP("tcp4", nil, hostAddress(id.LocalAddress, id.LocalPort))
	if err != nil {
		request.Complete(true)
		return
	}
	var queue waiter.Queue
	endpoint, failure := request.CreateEndpoint(&queue)
	if failure != nil {
		outer.Close()
		request.Complete(true)
		return
	}
	request.Complete(false)
	endpoint.SocketOptions().SetDelayOption(false)
	splice(gonet.NewTCPConn(&queue, endpoint), outer, 64<<10)
}

func onUDP(s *stack.Stack) func(*udp.ForwarderRequest) {
	return func(request *udp.ForwarderRequest) {
		id := request.ID()
		var queue waiter.Queue
		endpoint, failure := request.CreateEndpoint(&queue)
		if failure != nil {
			return
		}
		to := hostAddress(id.LocalAddress, id.LocalPort)
		outer, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: to.IP, Port: to.Port})
		if err != nil {
			endpoint.Close()
			return
		}
		go splice(gonet.NewUDPConn(s, &queue, endpoint), outer, 64<<10)
	}
}

// relay takes packets to any address, as tun2socks and slirp-like programs do.
func relay(s *stack.Stack) {
	mustTCPIP(s.SetPromiscuousMode(1, true), "promiscuous mode")
	mustTCPIP(s.SetSpoofing(1, true), "spoofing")
	s.SetTransportProtocolHandler(tcp.ProtocolNumber, tcp.NewForwarder(s, 0, openAtOnce, onTCP).HandlePacket)
	s.SetTransportProtocolHandler(udp.ProtocolNumber, udp.NewForwarder(s, onUDP(s)).HandlePacket)
}
