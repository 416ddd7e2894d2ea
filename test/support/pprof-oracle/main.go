// Command pproforacle says what google/pprof makes of profiles: the second opinion of resym's tests.
//
// It reads a stream of requests on stdin and answers on stdout, so that one process serves thousands of small profiles:
//
//	request   one byte 'c' (check), 't' (text) or 'l' (legacy), 4 bytes length (little endian), the profile's bytes
//	answer    4 bytes length (little endian), the answer's bytes
//
// The answer to 'c' starts with "ok" or "refused: " and the reason. The answer to 't' is the same, followed by the whole
// profile as text.
//
// The answer to 'l', a profile in any format, is "ok", a newline and the profile as protobuf, in base64.
//
// Bytes that start with 1f 8b go through profile.ParseData, as a client would read them. All others are taken for a
// protobuf only (ParseUncompressed, CheckValid): ParseData would try the legacy text formats on what the protobuf decoder refuses.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/google/pprof/profile"
)

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	for {
		var head [5]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			if err == io.EOF {
				return
			}
			fail(err)
		}
		data := make([]byte, binary.LittleEndian.Uint32(head[1:]))
		if _, err := io.ReadFull(in, data); err != nil {
			fail(err)
		}
		answer := judge(data, head[0])
		var length [4]byte
		binary.LittleEndian.PutUint32(length[:], uint32(len(answer)))
		out.Write(length[:])
		out.WriteString(answer)
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				fail(err)
			}
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "pproforacle:", err)
	os.Exit(1)
}

func judge(data []byte, kind byte) (answer string) {
	defer func() {
		if r := recover(); r != nil {
			answer = fmt.Sprint("refused: panic: ", r)
		}
	}()
	if kind == 'l' {
		return convert(data)
	}
	p, err := parse(data)
	if err != nil {
		return "refused: " + err.Error()
	}
	if kind != 't' {
		return "ok"
	}
	return "ok\n" + text(p)
}

func convert(data []byte) string {
	p, err := profile.ParseData(data)
	if err != nil {
		return "refused: " + err.Error()
	}
	var b bytes.Buffer
	if err := p.WriteUncompressed(&b); err != nil {
		return "refused: " + err.Error()
	}
	return "ok\n" + base64.StdEncoding.EncodeToString(b.Bytes())
}

func parse(data []byte) (*profile.Profile, error) {
	if len(data) >= 2 && data[0] == 0x1f && data[1] == 0x8b {
		return profile.ParseData(data)
	}
	p, err := profile.ParseUncompressed(data)
	if err != nil {
		return nil, err
	}
	return p, p.CheckValid()
}

// text is every field of the profile, one record a line, in file order; strings quoted, so that bytes that are not UTF-8 show.
func text(p *profile.Profile) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	for _, t := range p.SampleType {
		line("sample_type %q %q", t.Type, t.Unit)
	}
	line("period %q %q %d", p.PeriodType.Type, p.PeriodType.Unit, p.Period)
	line("time %d duration %d", p.TimeNanos, p.DurationNanos)
	line("frames %q %q", p.DropFrames, p.KeepFrames)
	line("default %q doc %q", p.DefaultSampleType, p.DocURL)
	for _, c := range p.Comments {
		line("comment %q", c)
	}
	for _, m := range p.Mapping {
		line("mapping %d %#x %#x %#x %q %q %t %t %t %t", m.ID, m.Start, m.Limit, m.Offset, m.File, m.BuildID,
			m.HasFunctions, m.HasFilenames, m.HasLineNumbers, m.HasInlineFrames)
	}
	for _, f := range p.Function {
		line("function %d %q %q %q %d", f.ID, f.Name, f.SystemName, f.Filename, f.StartLine)
	}
	for _, l := range p.Location {
		mapping := uint64(0)
		if l.Mapping != nil {
			mapping = l.Mapping.ID
		}
		line("location %d mapping %d address %#x folded %t", l.ID, mapping, l.Address, l.IsFolded)
		for _, n := range l.Line {
			line("  line %d %q %q %q start %d: %d:%d", n.Function.ID, n.Function.Name, n.Function.SystemName,
				n.Function.Filename, n.Function.StartLine, n.Line, n.Column)
		}
	}
	for _, s := range p.Sample {
		ids := make([]uint64, len(s.Location))
		for i, l := range s.Location {
			ids[i] = l.ID
		}
		// Maps print in key order.
		line("sample %v %v %q %v %q", s.Value, ids, s.Label, s.NumLabel, s.NumUnit)
	}
	return b.String()
}
