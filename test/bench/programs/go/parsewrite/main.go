// Parsewrite does to a profile what a Go program does that hands it on: profile.Parse, Profile.Write.
//
//	parsewrite FILE PASSES
//
// One line a pass: CPU seconds of the process, wall seconds, samples, locations; the last line: peak resident KiB.
package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/google/pprof/profile"
)

func main() {
	body, err := os.ReadFile(os.Args[1])
	check(err)
	passes, err := strconv.Atoi(os.Args[2])
	check(err)
	for range passes {
		began, spent := time.Now(), cpu()
		parsed, err := profile.Parse(bytes.NewReader(body))
		check(err)
		var out bytes.Buffer
		check(parsed.Write(&out))
		fmt.Println((cpu() - spent).Seconds(), time.Since(began).Seconds(), len(parsed.Sample), len(parsed.Location))
	}
	fmt.Println(usage().Maxrss)
}

func usage() (used syscall.Rusage) {
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return used
}

func cpu() time.Duration {
	used := usage()
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
