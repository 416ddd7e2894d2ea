//go:build record

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"time"
)

// Writes the profiles that are replayed where no Go toolchain is at hand: record DIR.
func main() {
	work()
	write := func(name string, profile func(*os.File) error) {
		file, err := os.Create(filepath.Join(os.Args[1], name+".pb.gz"))
		if err == nil {
			err = profile(file)
		}
		if err == nil {
			err = file.Close()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	write("profile", func(f *os.File) error {
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		time.Sleep(5 * time.Second)
		pprof.StopCPUProfile()
		return nil
	})
	for _, name := range []string{"heap", "allocs", "goroutine", "mutex", "block"} {
		write(name, func(f *os.File) error { return pprof.Lookup(name).WriteTo(f, 0) })
	}
}
