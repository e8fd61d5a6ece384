// Gorange checks a file of an auditor (exhibit-entries/v1) with golang.org/x/mod's sumdb/note and sumdb/tlog: that the
// log signed the tree, and that the leaves of the range, all of them and in this order, are in it.
//
//	gorange -key VKEY < october.entries.jsonl    exit 0 and "ok range: FIRST BEFORE of SIZE"
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A line is any of the file's; each kind has some of these members.
type line struct {
	Kind, Note, Log, Leaf string
	First, Before         int64
	Hashes                []string
	V, Label, Commitment  string
	Withheld              any // A word; in the trailer a number.
}

type place struct {
	level int
	n     int64
}

// hashes are those that the file gives, or that its leaves have, of complete subtrees.
type hashes map[place]tlog.Hash

func (known hashes) at(p place) (tlog.Hash, error) {
	if hash, ok := known[p]; ok {
		return hash, nil
	}
	if p.level == 0 {
		return tlog.Hash{}, fmt.Errorf("the file does not say leaf %d", p.n)
	}
	left, err := known.at(place{p.level - 1, 2 * p.n})
	if err != nil {
		return left, err
	}
	right, err := known.at(place{p.level - 1, 2*p.n + 1})
	return tlog.NodeHash(left, right), err
}

// ReadHashes is what tlog.TreeHash asks for.
func (known hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		level, n := tlog.SplitStoredHashIndex(index)
		hash, err := known.at(place{level, n})
		if err != nil {
			return nil, err
		}
		found[i] = hash
	}
	return found, nil
}

// cover takes hashes for the complete subtrees that make up the leaves from start to end, from left to right.
func (known hashes) cover(start, end int64, given []string) {
	for _, text := range given {
		require(start < end, "too many hashes")
		level := 0
		for start%(2<<level) == 0 && start+(2<<level) <= end {
			level++
		}
		data, err := hex.DecodeString(text)
		check(err, "hash")
		var hash tlog.Hash
		require(copy(hash[:], data) == tlog.HashSize && len(data) == tlog.HashSize, "a hash of %d bytes", len(data))
		known[place{level, start >> level}] = hash
		start += 1 << level
	}
	require(start == end, "too few hashes: up to leaf %d of %d", start, end)
}

func leaf(label, commitment string) tlog.Hash {
	return tlog.RecordHash([]byte("custody-leaf/v1 " + label + " " + commitment))
}

func main() {
	key := flag.String("key", "", "the log's public key")
	flag.Parse()
	verifier, err := note.NewVerifier(*key)
	check(err, "key")

	known, header, tree, at := hashes{}, line{}, tlog.Tree{}, int64(0)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var found line
		check(json.Unmarshal(lines.Bytes(), &found), "line")
		switch {
		case found.Kind == "header":
			header = found
		case found.Kind == "checkpoint":
			opened, err := note.Open([]byte(found.Note), note.VerifierList(verifier))
			check(err, "checkpoint")
			parts := strings.Split(opened.Text, "\n")
			require(len(parts) == 4 && parts[0] == verifier.Name() && parts[0] == header.Log, "another log's checkpoint")
			tree.N, err = strconv.ParseInt(parts[1], 10, 64)
			check(err, "size")
			root, err := base64.StdEncoding.DecodeString(parts[2])
			check(err, "root")
			require(copy(tree.Hash[:], root) == tlog.HashSize, "a root of %d bytes", len(root))
		case found.Kind == "tree_before":
			known.cover(0, header.First, found.Hashes)
			at = header.First
		case found.Kind == "tree_after":
			require(at == header.Before, "the range ends at leaf %d, not %d", at, header.Before)
			known.cover(header.Before, tree.N, found.Hashes)
			at = tree.N
		case found.Kind == "leaf":
			known[place{0, at}] = tlog.RecordHash([]byte(found.Leaf))
			at++
		case found.Kind == "" && found.Withheld != nil:
			known[place{0, at}] = leaf(found.Label, found.Commitment)
			at++
		case found.V == "custody-entry/v1":
			sum := sha256.Sum256(bytes.TrimRight(lines.Bytes(), "\n"))
			known[place{0, at}] = leaf(found.Label, hex.EncodeToString(sum[:]))
			at++
		}
	}
	check(lines.Err(), "file")
	require(at == tree.N, "%d leaves of %d", at, tree.N)
	root, err := tlog.TreeHash(tree.N, known)
	check(err, "tree")
	require(root == tree.Hash, "the leaves give the root %v, signed is %v", root, tree.Hash)
	fmt.Printf("ok range: %d %d of %d\n", header.First, header.Before, tree.N)
}

func check(err error, what string) { require(err == nil, "%s: %v", what, err) }

func require(holds bool, format string, arguments ...any) {
	if !holds {
		fmt.Fprintf(os.Stderr, format+"\n", arguments...)
		os.Exit(1)
	}
}
