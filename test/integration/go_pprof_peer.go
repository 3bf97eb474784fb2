// SPDX-License-Identifier: MIT

// go_pprof_peer serves Go's own /debug/pprof on a free port of the loopback interface, prints the
// address, and ends when its standard input does. With an argument it aligns its standard input as
// runtime/pprof does.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"text/tabwriter"
)

func main() {
	if len(os.Args) > 1 {
		writer := tabwriter.NewWriter(os.Stdout, 1, 8, 1, '\t', 0)
		_, _ = io.Copy(writer, os.Stdin)
		_ = writer.Flush()
		return
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Fprintln(os.Stderr, http.Serve(listener, nil))
	os.Exit(1)
}
