/**
 * A Go program of a given size, generated and built: what a large service looks like to a symbolizer. `-s -w`, so only Go's own tables are
 * left, of 5 MB to 700 MB from one recipe:
 *
 *     main        walks the tables of all packages, so that nothing is dead
 *     kit         small helpers that the compiler inlines, some two and three deep
 *     svcNNNN     PER_PACKAGE handlers, each some calls of kit, strings and fmt; a type with methods for every few of them; a catalogue
 *                 of long strings, which large programs are full of
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomBelow } from '../support/profile-model.ts';
import { go, goBuild, goVersion } from './anchors.ts';
import { Missing, once } from './cache.ts';

/** MB, of the growth tables; the last is the large binary of the other rows. */
export const SIZES = [5, 30, 100, 300, 700] as const;

/** Handlers of a package: enough that starting the compiler is not what a build is about. */
const PER_PACKAGE = 400;

/** MB of a program without any, and MB that each package adds: measured, amd64, Go 1.26. */
const BASE_MB = 1.5;
const PACKAGE_MB = 3.35;

/** Changes when the recipe does. */
const RECIPE = 1;

/** Path of a stripped Go program of about `megabytes`. */
export async function bigGo(megabytes: number): Promise<string | Missing> {
  const found = go();
  if (found instanceof Missing) return found;
  const packages = Math.max(1, Math.round((megabytes - BASE_MB) / PACKAGE_MB));
  try {
    const dir = await once(
      `big-go-${megabytes}`,
      [RECIPE, packages, PER_PACKAGE, await goVersion(found)],
      async (work) => {
        const source = join(work, 'source');
        writeSource(source, packages);
        // A build cache of its own, gone afterwards: gigabytes nobody asks for again.
        const env = { CGO_ENABLED: '0', GOCACHE: join(work, 'go-build'), GOGC: '400' };
        // DWARF that the linker drops need not be made: a third of the time.
        const args = [
          '-trimpath',
          '-gcflags=big.test/service/...=-dwarf=false',
          '-ldflags=-s -w',
          '-o',
          join(work, 'service'),
          '.',
        ];
        await goBuild(found, args, source, env);
        for (const name of readdirSync(work))
          if (name !== 'service') rmSync(join(work, name), { recursive: true, force: true });
      },
    );
    return join(dir, 'service');
  } catch (error) {
    return new Missing(`a ${megabytes} MB Go program could not be built: ${(error as Error).message.slice(0, 300)}`);
  }
}

/** Writes the module. */
export function writeSource(dir: string, packages: number): void {
  const write = (path: string, text: string): void => {
    mkdirSync(join(dir, path, '..'), { recursive: true });
    writeFileSync(join(dir, path), text);
  };
  const names = Array.from({ length: packages }, (_, i) => `svc${String(i).padStart(4, '0')}`);
  write('go.mod', 'module big.test/service\n\ngo 1.21\n');
  write('kit/kit.go', KIT);
  for (const [i, name] of names.entries()) write(`${name}/${name}.go`, packageSource(name, i));
  write(
    'main.go',
    `package main

import (
	"fmt"
	"os"

	"big.test/service/kit"
${names.map((name) => `\t"big.test/service/${name}"`).join('\n')}
)

var services = []kit.Service{
${names.map((name) => `\t{Name: "${name}", Handlers: ${name}.Handlers, Catalogue: ${name}.Catalogue},`).join('\n')}
}

func main() {
	failed := 0
	for _, service := range services {
		for i, handle := range service.Handlers {
			request := kit.Request{Path: service.Name, Size: i, Args: os.Args[1:]}
			if _, err := handle(&request); err != nil {
				failed++
			}
		}
		failed += len(service.Catalogue[len(os.Args)%len(service.Catalogue)])
	}
	fmt.Println(failed)
}
`,
  );
}

const KIT = `// Package kit is what every service shares.
package kit

import (
	"errors"
	"strings"
)

// Request is what a handler gets.
type Request struct {
	Path string
	Args []string
	Size int
	seen map[string]int
}

// Handler answers a request.
type Handler func(*Request) (string, error)

// Service is a set of handlers.
type Service struct {
	Name      string
	Handlers  []Handler
	Catalogue []string
}

// Item is what handlers pass on.
type Item interface {
	Key() string
	Weight(scale int) int
}

// ErrSmall and ErrOdd are what handlers complain about.
var (
	ErrSmall = errors.New("too small")
	ErrOdd   = errors.New("odd")
)

// Check is inlined.
func (r *Request) Check(least int) error {
	if r.Size < least {
		return ErrSmall
	}
	return nil
}

// Clamp is inlined.
func Clamp(value, low, high int) int {
	if value < low {
		return low
	}
	if value > high {
		return high
	}
	return value
}

// Mix is inlined, and Clamp in it.
func Mix(a, b int) int { return Clamp(a*31+b, -1<<30, 1<<30) ^ b>>3 }

// Fold is inlined, and Mix in it, and Clamp in that.
func Fold(a, b, c int) int { return Mix(Mix(a, b), c) }

// Arg is inlined.
func (r *Request) Arg(i int) string {
	if i < len(r.Args) {
		return r.Args[i]
	}
	return ""
}

// Note is inlined.
func (r *Request) Note(key string, n int) {
	if r.seen == nil {
		r.seen = map[string]int{}
	}
	r.seen[key] += n
}

// Total is not.
//
//go:noinline
func Total(items []Item, scale int) (sum int) {
	for _, item := range items {
		sum += item.Weight(scale) + len(item.Key())
	}
	return sum
}

// Join is not.
//
//go:noinline
func Join(parts ...string) string { return strings.Join(parts, "/") }
`;

const WORDS =
  'account address archive attribute backup batch bucket cache channel cluster config contract credential customer dataset device document domain endpoint entry event export fleet gateway grant group image index instance invoice job key ledger limit link listener location log message metric network node object order package partition password payment permission pipeline policy product profile project queue quota record region report request resource role route rule schedule schema secret segment service session setting shard signal snapshot source stack stage stream subnet table tag target task template tenant token topic trace transfer trigger user value vault version volume webhook window worker zone'.split(
    ' ',
  );

/** A package of handlers, the same text in every run. */
function packageSource(name: string, seed: number): string {
  const random = randomBelow(seed + 1);
  const word = (): string => WORDS[random(WORDS.length)];
  const title = (): string => word().replace(/^./, (letter) => letter.toUpperCase());
  const handlers: string[] = [];
  const parts = [
    `// Package ${name} is generated.\npackage ${name}\n`,
    'import (\n\t"fmt"\n\t"sort"\n\t"strconv"\n\t"strings"\n\n\t"big.test/service/kit"\n)\n',
  ];
  let type = '';
  for (let i = 0; i < PER_PACKAGE; i++) {
    if (i % 8 === 0) {
      type = `${title()}${title()}${i}`;
      parts.push(typeSource(type, word, random));
    }
    const handler = `${title()}${title()}${i}`;
    handlers.push(`Handle${handler}`);
    parts.push(handlerSource(`Handle${handler}`, type, word, random));
  }
  parts.push(`// Handlers are all of them.\nvar Handlers = []kit.Handler{\n\t${handlers.join(',\n\t')},\n}\n`);
  const entries = Array.from({ length: PER_PACKAGE }, () => {
    const words = Array.from({ length: 360 + random(240) }, word);
    return `\t"${words.join(' ')}",`;
  });
  parts.push(`// Catalogue describes them.\nvar Catalogue = []string{\n${entries.join('\n')}\n}\n`);
  return parts.join('\n');
}

type Below = (n: number) => number;

function typeSource(type: string, word: () => string, random: Below): string {
  return `// ${type} is an item.
type ${type} struct {
	ID, Owner, ${['Region', 'Zone', 'Stage'][random(3)]} string
	Parts     []string
	Limits    map[string]int
	Size      int
}

func (x *${type}) Key() string { return x.ID + "/${word()}/" + x.Owner }

func (x *${type}) Weight(scale int) int {
	sum := kit.Mix(x.Size, scale)
	for _, part := range x.Parts {
		sum = kit.Fold(sum, len(part), x.Limits[part])
	}
	return sum
}

func (x ${type}) String() string { return fmt.Sprintf("${word()} %s of %s: %d", x.ID, x.Owner, x.Size) }
`;
}

function handlerSource(name: string, type: string, word: () => string, random: Below): string {
  const steps = Array.from({ length: 3 + random(4) }, () => STEPS[random(STEPS.length)](word, random));
  return `func ${name}(r *kit.Request) (string, error) {
	if err := r.Check(${random(50)}); err != nil {
		return "", fmt.Errorf("${word()} %s: %w", r.Path, err)
	}
	item := &${type}{ID: r.Arg(0), Owner: r.Arg(1), Size: r.Size, Parts: strings.Split(r.Path, "${'/:-.'[random(4)]}")}
	total := kit.Fold(item.Size, ${random(1000)}, len(item.Parts))
	${steps.join('\n\t')}
	return kit.Join(item.Key(), strconv.Itoa(kit.Total([]kit.Item{item}, total))), nil
}
`;
}

const STEPS: readonly ((word: () => string, random: Below) => string)[] = [
  (word, random) => `for i, part := range item.Parts {
		if strings.HasPrefix(part, "${word()}") {
			r.Note("${word()}-"+part, kit.Clamp(i, 0, ${random(99)}))
			total += kit.Mix(i, len(part))
		}
	}`,
  (word, random) => `if n, err := strconv.Atoi(r.Arg(${random(5)})); err == nil {
		total = kit.Fold(total, n, ${random(500)})
	} else if total%${2 + random(9)} == 0 {
		return "", fmt.Errorf("${word()} of %q at %d: %w", item.ID, total, err)
	}`,
  (word, random) => `switch r.Arg(${random(4)}) {
	case "${word()}":
		total = kit.Mix(total, ${random(300)})
	case "${word()}x", "${word()}y":
		item.Owner = strings.ToUpper(item.Owner)
	default:
		r.Note("${word()}", total)
	}`,
  (_word, random) => `sort.Slice(item.Parts, func(i, j int) bool {
		return kit.Mix(len(item.Parts[i]), ${random(90)}) < kit.Mix(len(item.Parts[j]), i-j)
	})`,
  (word, random) => `if item.Limits == nil {
		item.Limits = map[string]int{"${word()}": ${random(100)}, "${word()}1": total, "${word()}2": kit.Clamp(total, 1, ${1 + random(100)})}
	}`,
  (word, random) => `r.Note(fmt.Sprintf("${word()} %s %d %v", item.ID, total, item.Parts), ${random(1000)})`,
  (word, random) => `func() {
		defer r.Note("${word()}", ${random(77)})
		item.Parts = append(item.Parts, r.Arg(${random(3)}), kit.Join(item.ID, "${word()}"))
		total += kit.Fold(len(item.Parts), cap(item.Parts), total)
	}()`,
];
