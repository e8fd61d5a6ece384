// Gobag checks the ledger part of an unpacked package with golang.org/x/mod/sumdb/note and tlog alone: every act's
// proof, the leaves, the seal and its tree, the time-stamped tree. Nothing of the project's is used.
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run ./tests/interop/gobag -key 'NAME+HASH+KEY' FOLDER
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

var known note.Verifiers

func main() {
	log.SetFlags(0)
	key := flag.String("key", "", "the log's public key, from elsewhere than the package")
	flag.Parse()
	verifier, err := note.NewVerifier(*key)
	check(err, "key")
	known = note.VerifierList(verifier)
	folder := flag.Arg(0)

	text := read(folder, "data/ledger/checkpoint")
	tree := open(text, verifier.Name())
	fmt.Printf("ok checkpoint: %d leaves\n", tree.N)
	acts := 0
	streams, _ := filepath.Glob(filepath.Join(folder, "data/ledger/streams/*.jsonl"))
	for _, path := range streams {
		stream := strings.TrimSuffix(filepath.Base(path), ".jsonl")
		content, err := os.ReadFile(path)
		check(err, path)
		for number, line := range bytes.Split(bytes.TrimSuffix(content, []byte("\n")), []byte("\n")) {
			name := fmt.Sprintf("data/ledger/proofs/%s/%06d.tlog-proof", stream, number+1)
			index, hashes, head := proof(read(folder, name))
			require(bytes.Equal(head, text), "%s: another checkpoint", name)
			check(tlog.CheckRecord(hashes, tree.N, tree.Hash, index, tlog.RecordHash(leaf(line))), name)
			acts++
		}
	}
	fmt.Printf("ok inclusion: %d acts of %d streams\n", acts, len(streams))

	leaves := bytes.Split(bytes.TrimSuffix(read(folder, "data/ledger/leaves.txt"), []byte("\n")), []byte("\n"))
	require(int64(len(leaves)) == tree.N, "%d leaves", len(leaves))
	stored := memory{}
	for index, line := range leaves {
		hashes, err := tlog.StoredHashes(int64(index), line, stored)
		check(err, "leaves")
		stored = append(stored, hashes...)
	}
	root, err := tlog.TreeHash(tree.N, stored)
	check(err, "leaves")
	require(root == tree.Hash, "the leaves give root %v", root)
	fmt.Printf("ok leaves: %d\n", len(leaves))

	index, hashes, head := proof(read(folder, "seal/proof.tlog-proof"))
	later := open(head, verifier.Name())
	sealed := leaf(read(folder, "seal/entry.json"))
	check(tlog.CheckRecord(hashes, later.N, later.Hash, index, tlog.RecordHash(sealed)), "seal")
	old, grown, head2 := consistency(read(folder, "seal/consistency"))
	require(old == tree.N && bytes.Equal(head, head2), "seal/consistency is of other trees")
	check(tlog.CheckTree(grown, later.N, later.Hash, tree.N, tree.Hash), "seal/consistency")
	fmt.Printf("ok seal: leaf %d of %d\n", index, later.N)

	older, _ := filepath.Glob(filepath.Join(folder, "data/ledger/checkpoints/*"))
	for _, path := range older {
		content, err := os.ReadFile(path)
		check(err, path)
		before := open(content, verifier.Name())
		name := fmt.Sprintf("data/ledger/consistency/%d-%d", before.N, tree.N)
		_, grown, head := consistency(read(folder, name))
		require(bytes.Equal(head, text), "%s: another checkpoint", name)
		check(tlog.CheckTree(grown, tree.N, tree.Hash, before.N, before.Hash), name)
		fmt.Printf("ok growth: from %d\n", before.N)
	}
}

// leaf is what the log holds of an act: its label, which the act states, and the SHA-256 of its line.
func leaf(line []byte) []byte {
	var act struct{ Label string }
	check(json.Unmarshal(line, &act), "an act")
	commitment := sha256.Sum256(line)
	return []byte("custody-leaf/v1 " + act.Label + " " + hex.EncodeToString(commitment[:]))
}

func open(text []byte, origin string) tlog.Tree {
	opened, err := note.Open(text, known)
	check(err, "checkpoint")
	lines := strings.Split(opened.Text, "\n")
	require(len(lines) == 4 && lines[0] == origin, "not a checkpoint of %s", origin)
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err, "size")
	root, err := base64.StdEncoding.DecodeString(lines[2])
	check(err, "root")
	tree := tlog.Tree{N: size}
	copy(tree.Hash[:], root)
	return tree
}

func proof(content []byte) (int64, tlog.RecordProof, []byte) {
	head, text, found := bytes.Cut(content, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	require(found && lines[0] == "c2sp.org/tlog-proof@v1", "not a tlog-proof")
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	check(err, "index")
	return index, tlog.RecordProof(hashes(lines[3:])), text
}

func consistency(content []byte) (int64, tlog.TreeProof, []byte) {
	head, text, _ := bytes.Cut(content, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	old, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "old "), 10, 64)
	check(err, "old")
	return old, tlog.TreeProof(hashes(lines[1:])), text
}

func hashes(lines []string) []tlog.Hash {
	found := make([]tlog.Hash, len(lines))
	for place, line := range lines {
		data, err := base64.StdEncoding.DecodeString(line)
		check(err, "a proof's hash")
		copy(found[place][:], data)
	}
	return found
}

// memory holds the hashes that tlog stores, by its own numbering.
type memory []tlog.Hash

func (m memory) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for place, index := range indexes {
		found[place] = m[index]
	}
	return found, nil
}

func read(folder, name string) []byte {
	content, err := os.ReadFile(filepath.Join(folder, name))
	check(err, name)
	return content
}

func check(err error, what string) {
	require(err == nil, "%s: %v", what, err)
}

func require(holds bool, format string, arguments ...any) {
	if !holds {
		log.Fatalf("BAD "+format, arguments...)
	}
}
