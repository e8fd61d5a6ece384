// Merklevectors writes inclusion and consistency vectors with the verdict of golang.org/x/mod/sumdb/tlog: the valid proofs
// of a tree of eight known leaves, and the same ones spoilt in every way that transparency-dev/merkle's test data spoils
// theirs (wrong roots and leaves, moved and doubled sizes, flipped bits, hashes added, removed, swapped).
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run ./tests/interop/merklevectors inclusion|consistency
package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/tlog"
)

// The leaves of Certificate Transparency's own test data.
var leaves = []string{"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"}

type vector struct {
	Name  string      `json:"name"`
	First int64       `json:"first"` // Inclusion: the leaf's index. Consistency: the older size.
	Size  int64       `json:"size"`  // Of the (newer) tree.
	Start tlog.Hash   `json:"start"` // Inclusion: the leaf's hash. Consistency: the older root.
	Root  tlog.Hash   `json:"root"`
	Proof []tlog.Hash `json:"proof"`
	Valid bool        `json:"valid"`
}

var stored []tlog.Hash

func read(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		found[i] = stored[index]
	}
	return found, nil
}

func root(size int64) tlog.Hash {
	hash, err := tlog.TreeHash(size, tlog.HashReaderFunc(read))
	must(err)
	return hash
}

func main() {
	for n, text := range leaves {
		leaf, err := hex.DecodeString(text)
		must(err)
		more, err := tlog.StoredHashes(int64(n), leaf, tlog.HashReaderFunc(read))
		must(err)
		stored = append(stored, more...)
	}
	var made []vector
	check := func(v vector) bool { return tlog.CheckRecord(v.Proof, v.Size, v.Root, v.First, v.Start) == nil }
	if os.Args[1] == "consistency" {
		check = func(v vector) bool { return tlog.CheckTree(v.Proof, v.Size, v.Root, v.First, v.Start) == nil }
		made = consistencies()
	} else {
		made = inclusions()
	}
	var all []vector
	for _, good := range made {
		for _, each := range append([]vector{good}, spoilt(good)...) {
			each.Valid = check(each)
			all = append(all, each)
		}
	}
	for i, each := range all {
		line, err := json.Marshal(each)
		must(err)
		fmt.Printf("%s%s%s", map[bool]string{true: "[\n"}[i == 0], line, map[bool]string{true: "\n]\n", false: ",\n"}[i == len(all)-1])
	}
}

func inclusions() (made []vector) {
	for _, at := range [][2]int64{{0, 1}, {0, 8}, {5, 8}, {2, 3}, {1, 5}, {7, 8}, {4, 5}} {
		index, size := at[0], at[1]
		proof, err := tlog.ProveRecord(size, index, tlog.HashReaderFunc(read))
		must(err)
		leaf := stored[tlog.StoredHashIndex(0, index)]
		made = append(made, vector{fmt.Sprintf("leaf %d of %d", index, size), index, size, leaf, root(size), proof, false})
	}
	return made
}

func consistencies() (made []vector) {
	for _, at := range [][2]int64{{1, 1}, {1, 8}, {6, 8}, {2, 5}, {6, 7}, {4, 8}, {8, 8}} {
		old, size := at[0], at[1]
		proof, err := tlog.ProveTree(size, old, tlog.HashReaderFunc(read))
		must(err)
		made = append(made, vector{fmt.Sprintf("%d to %d", old, size), old, size, root(old), root(size), proof, false})
	}
	return made
}

func spoilt(good vector) (all []vector) {
	add := func(how string, change func(v *vector)) {
		v := good
		v.Proof = append([]tlog.Hash{}, good.Proof...)
		change(&v)
		v.Name += ", " + how
		all = append(all, v)
	}
	garbage := tlog.RecordHash([]byte("garbage"))
	add("first - 1", func(v *vector) { v.First-- })
	add("first + 1", func(v *vector) { v.First++ })
	add("first xor 2", func(v *vector) { v.First ^= 2 })
	add("size - 1", func(v *vector) { v.Size-- })
	add("size + 1", func(v *vector) { v.Size++ })
	add("size doubled", func(v *vector) { v.Size *= 2 })
	add("size halved", func(v *vector) { v.Size /= 2 })
	add("size and first swapped", func(v *vector) { v.Size, v.First = v.First, v.Size })
	add("wrong start", func(v *vector) { v.Start = garbage })
	add("wrong root", func(v *vector) { v.Root = garbage })
	add("root of nothing", func(v *vector) { v.Root = tlog.Hash{} })
	add("start and root swapped", func(v *vector) { v.Start, v.Root = v.Root, v.Start })
	add("no proof", func(v *vector) { v.Proof = []tlog.Hash{} })
	add("trailing garbage", func(v *vector) { v.Proof = append(v.Proof, garbage) })
	add("trailing root", func(v *vector) { v.Proof = append(v.Proof, v.Root) })
	add("preceding garbage", func(v *vector) { v.Proof = append([]tlog.Hash{garbage}, v.Proof...) })
	add("preceding start", func(v *vector) { v.Proof = append([]tlog.Hash{v.Start}, v.Proof...) })
	add("preceding root", func(v *vector) { v.Proof = append([]tlog.Hash{v.Root}, v.Proof...) })
	for i := range good.Proof {
		add(fmt.Sprintf("bit 4 of hash %d flipped", i), func(v *vector) { v.Proof[i][0] ^= 16 })
		add(fmt.Sprintf("hash %d removed", i), func(v *vector) { v.Proof = append(v.Proof[:i:i], v.Proof[i+1:]...) })
		add(fmt.Sprintf("hash %d doubled", i), func(v *vector) { v.Proof = append(v.Proof[:i+1:i+1], good.Proof[i:]...) })
	}
	if len(good.Proof) > 1 {
		add("first two hashes swapped", func(v *vector) { v.Proof[0], v.Proof[1] = v.Proof[1], v.Proof[0] })
	}
	return all
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
