// Callers asks the Go runtime for the frames of addresses in this very program, as runtime/pprof does when it writes a profile.
//
//	callers PASSES one|all < addresses
//
// one: runtime.CallersFrames of each address, which since Go 1.21 is the innermost frame; all: with the inlined calls expanded before, as
// runtime/pprof has it done. One line a pass: wall seconds, frames, bytes of their names. Many packages are linked so that there is something to look up.
package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"go/format"
	"go/types"
	"html/template"
	"image/png"
	"net/http"
	"net/rpc"
	"os"
	"runtime"
	_ "runtime/pprof" // whose name for expandFinalInlineFrame it is
	"strconv"
	"strings"
	"time"
	_ "unsafe" // go:linkname
)

//go:linkname expandFinalInlineFrame runtime/pprof.runtime_expandFinalInlineFrame
func expandFinalInlineFrame(stk []uintptr) []uintptr

// Never called; linked because it might be.
var linked = []any{
	http.ListenAndServe, tls.Dial, json.Marshal, xml.Marshal, format.Source, (*types.Config).Check, template.New, png.Encode, rpc.Dial,
}

func main() {
	passes, err := strconv.Atoi(os.Args[1])
	if err != nil || len(os.Args) != 3 || len(linked) == 0 {
		fmt.Fprintln(os.Stderr, "callers PASSES one|all < addresses")
		os.Exit(2)
	}
	var pcs []uintptr
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		pc, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimSpace(in.Text()), "0x"), 16, 64)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		pcs = append(pcs, uintptr(pc)+1) // taken for a return address
	}
	stack := make([]uintptr, 0, 64)
	for range passes {
		began := time.Now()
		count, size := 0, 0
		for _, pc := range pcs {
			stack = append(stack[:0], pc)
			if os.Args[2] == "all" {
				stack = expandFinalInlineFrame(stack)
			}
			frames := runtime.CallersFrames(stack)
			for more := true; more; {
				var frame runtime.Frame
				frame, more = frames.Next()
				if frame.PC != 0 {
					count++
					size += len(frame.Function) + len(frame.File)
				}
			}
		}
		fmt.Println(time.Since(began).Seconds(), count, size)
	}
}
