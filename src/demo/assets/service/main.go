// shop: the service of `resym demo`. It prices orders in Go, and hashes images in C on a thread of its own, so that
// its profiles hold what Go can name and what it cannot.
package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/pprof"
	"sort"
	"strings"
	"sync"
	"time"
)

type item struct {
	name  string
	cents int
	count int
}

type order struct {
	customer string
	items    []item
}

// Small enough to be inlined, three deep.
func discount(cents, percent int) int   { return cents * (100 - percent) / 100 }
func lineTotal(i item, percent int) int { return discount(i.cents, percent) * i.count }
func itemTotal(i item) int              { return lineTotal(i, len(i.name)%7) }

//go:noinline
func (o *order) total() (sum int) {
	for round := 0; round < 2500; round++ {
		for _, i := range o.items {
			sum += itemTotal(i)
		}
	}
	return sum
}

//go:noinline
func largest[T any](values []T, less func(a, b T) bool) T {
	sorted := append([]T(nil), values...)
	sort.Slice(sorted, func(i, j int) bool { return less(sorted[i], sorted[j]) })
	return sorted[len(sorted)-1]
}

var (
	ledgerLock sync.Mutex
	ledger     []string
)

//go:noinline
func record(customer string, sum int) {
	ledgerLock.Lock()
	defer ledgerLock.Unlock()
	ledger = append(ledger, strings.Repeat(customer, 3)+fmt.Sprint(sum))
	if len(ledger) > 20000 {
		ledger = ledger[:0:0]
	}
}

func serveOrders() {
	for n := 0; ; n++ {
		o := &order{customer: fmt.Sprintf("customer-%d", n%50)}
		for i := 0; i < 40; i++ {
			o.items = append(o.items, item{name: fmt.Sprint("item-", i*n), cents: 100 + i, count: 1 + i%3})
		}
		best := largest(o.items, func(a, b item) bool { return a.cents*a.count < b.cents*b.count })
		record(o.customer, o.total()+best.cents)
	}
}

func work() {
	runtime.SetMutexProfileFraction(5)
	runtime.SetBlockProfileRate(10000)
	for w := 0; w < 2; w++ {
		go pprof.Do(context.Background(), pprof.Labels("queue", fmt.Sprint("orders-", w)), func(context.Context) { serveOrders() })
	}
	startThumbnails()
	time.Sleep(50 * time.Millisecond)
}
