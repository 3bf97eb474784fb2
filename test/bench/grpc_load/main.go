// SPDX-License-Identifier: MIT

// grpc_load asks a server of gRPC for listings by id, any of a file's, so many calls at once on each
// connection. It speaks HTTP/2 by its frames alone, as a client that costs little, and prints its
// result as load.lua does.
//
// grpc_load ADDRESS PATH FILE CONNECTIONS STREAMS SECONDS; FILE has an id first in each line.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log"
	"math/rand"
	"net"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	windowBytes = 1<<31 - 1 // never updated: enough for what a run receives
	prefixBytes = 5
	seed        = 1
)

// call is one that is under way.
type call struct {
	request []byte
	start   time.Time
	body    []byte
	status  string
}

// isAnswered tells whether what came is the listing that was asked for: its id is the first field, as
// it is the request's.
func (c *call) isAnswered() bool {
	return c.status == "0" && len(c.body) > len(c.request) &&
		bytes.Equal(c.body[prefixBytes:len(c.request)], c.request[prefixBytes:]) &&
		int(binary.BigEndian.Uint32(c.body[1:])) == len(c.body)-prefixBytes
}

type client struct {
	path     string
	requests [][]byte // as DATA has them
	random   *rand.Rand
	end      time.Time
	reader   *bufio.Reader
	writer   *bufio.Writer // an error stays with it until Flush
	framer   *http2.Framer
	block    bytes.Buffer
	encoder  *hpack.Encoder
	stream   uint32
	calls    map[uint32]*call
	took     []time.Duration
	failures map[string]int
}

func readRequests(path string) ([][]byte, error) {
	text, err := os.ReadFile(path)
	var requests [][]byte
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		id := strings.Fields(line)[0]
		request := make([]byte, prefixBytes, prefixBytes+2+len(id))
		binary.BigEndian.PutUint32(request[1:], uint32(2+len(id)))
		request = append(append(request, 1<<3|2, byte(len(id))), id...) // field 1, a string
		requests = append(requests, request)
	}
	return requests, err
}

func dial(address, path string, requests [][]byte, random *rand.Rand) (*client, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	c := &client{path: path, requests: requests, random: random, stream: 1, calls: map[uint32]*call{},
		reader: bufio.NewReader(conn), writer: bufio.NewWriter(conn), failures: map[string]int{}}
	c.framer = http2.NewFramer(c.writer, c.reader)
	c.framer.SetReuseFrames()
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.encoder = hpack.NewEncoder(&c.block)
	_, _ = c.writer.WriteString(http2.ClientPreface)
	_ = c.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: windowBytes})
	_ = c.framer.WriteWindowUpdate(0, windowBytes-65535)
	return c, c.writer.Flush()
}

// begin puts a call into the writer, and one's memory to use again.
func (c *client) begin(one *call, now time.Time) {
	c.block.Reset()
	for _, field := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", c.path},
		{":authority", "localhost"}, {"content-type", "application/grpc"}, {"te", "trailers"}} {
		_ = c.encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	*one = call{request: c.requests[c.random.Intn(len(c.requests))], start: now, body: one.body[:0]}
	_ = c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: c.stream,
		BlockFragment: c.block.Bytes(), EndHeaders: true})
	_ = c.framer.WriteData(c.stream, true, one.request)
	c.calls[c.stream] = one
	c.stream += 2
}

// finish counts a call and begins another one.
func (c *client) finish(stream uint32, one *call) {
	now := time.Now()
	delete(c.calls, stream)
	c.took = append(c.took, now.Sub(one.start))
	if !one.isAnswered() {
		c.failures["status"]++
	}
	if now.Before(c.end) {
		c.begin(one, now)
	}
}

func (c *client) take(frame http2.Frame) error {
	stream := frame.Header().StreamID
	one := c.calls[stream]
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			return c.framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			return c.framer.WritePing(true, f.Data)
		}
	case *http2.DataFrame:
		if one == nil {
			return fmt.Errorf("%v", frame)
		}
		one.body = append(one.body, f.Data()...)
	case *http2.MetaHeadersFrame:
		if one == nil {
			return fmt.Errorf("%v", frame)
		}
		for _, field := range f.Fields {
			if field.Name == "grpc-status" {
				one.status = field.Value
			}
		}
		if f.StreamEnded() {
			c.finish(stream, one)
		}
	case *http2.RSTStreamFrame, *http2.GoAwayFrame:
		return fmt.Errorf("%v", frame)
	}
	return nil
}

func (c *client) run(streams int, end time.Time) {
	c.end = end
	for i := 0; i < streams; i++ {
		c.begin(&call{}, time.Now())
	}
	for len(c.calls) > 0 {
		if c.reader.Buffered() == 0 && c.writer.Flush() != nil {
			c.failures["write"]++
			return
		}
		frame, err := c.framer.ReadFrame()
		if err == nil {
			err = c.take(frame)
		}
		if err != nil {
			c.failures["read"]++
			return
		}
	}
}

func report(clients []*client, duration time.Duration) {
	var took []time.Duration
	failures := map[string]int{}
	for _, c := range clients {
		took = append(took, c.took...)
		for kind, n := range c.failures {
			failures[kind] += n
		}
	}
	sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
	of := func(pct int) int64 {
		if len(took) == 0 {
			return 0
		}
		return took[(len(took)-1)*pct/100].Microseconds()
	}
	_ = json.NewEncoder(os.Stdout).Encode(map[string]interface{}{
		"requests": len(took), "duration_us": duration.Microseconds(), "p50_us": of(50),
		"p99_us": of(99), "max_us": of(100), "failures": failures})
}

func main() {
	runtime.GOMAXPROCS(1)
	if len(os.Args) != 7 {
		log.Fatal("usage: grpc_load ADDRESS PATH FILE CONNECTIONS STREAMS SECONDS")
	}
	var numbers [3]int
	for i := range numbers {
		numbers[i], _ = strconv.Atoi(os.Args[4+i])
	}
	requests, err := readRequests(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	clients := make([]*client, numbers[0])
	for i := range clients {
		random := rand.New(rand.NewSource(int64(seed + i)))
		if clients[i], err = dial(os.Args[1], os.Args[2], requests, random); err != nil {
			log.Fatal(err)
		}
	}
	start := time.Now()
	done := make(chan struct{})
	for _, c := range clients {
		go func(c *client) {
			c.run(numbers[1], start.Add(time.Duration(numbers[2])*time.Second))
			done <- struct{}{}
		}(c)
	}
	for range clients {
		<-done
	}
	report(clients, time.Since(start))
}
