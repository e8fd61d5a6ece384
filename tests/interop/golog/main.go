// Golog checks a published log with golang.org/x/mod/sumdb/note and tlog alone, the code that guards Go's own modules:
// nothing of the project's is used, and nothing that the server says is believed but what the pinned key signed.
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run ./tests/interop/golog -url http://127.0.0.1:8000 -key 'NAME+HASH+KEY' \
//		[-old a-checkpoint-kept-earlier] [receipt ...]
//
// After the log's key was replaced name -key several times: one of them must have signed whatever is checked. A log that
// continues another one is at its own prefix, -url http://127.0.0.1:8000/logs/2, under its own key.
//
// It reads the checkpoint, every tile and every entry bundle, recomputes the root from the entries, and proves: each
// receipt's entry in the tree that it names, and that tree, like the old checkpoint's, the beginning of the present one.
package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const tileHeight = 8

func main() {
	log.SetFlags(0)
	prefix := flag.String("url", "", "the log's prefix: /checkpoint and /tile are below it")
	var keys verifiers
	flag.Var(&keys, "key", "the log's public key, from elsewhere than this server; several after it was replaced")
	old := flag.String("old", "", "a file with a checkpoint of the same log, kept from earlier")
	flag.Parse()
	require(len(keys) > 0, "no -key: nothing to check the log's signature with")
	server := &server{prefix: strings.TrimRight(*prefix, "/"), known: note.VerifierList(keys...), tiles: map[string][]byte{}}

	tree := server.open(server.get(server.prefix + "/checkpoint"))
	hashes := tlog.TileHashReader(tree, server) // Every hash that it gives is proven to be in the signed tree.
	fmt.Printf("ok checkpoint: %s signed %d leaves, root %v\n", server.origin, tree.N, tree.Hash)

	root, err := tlog.TreeHash(tree.N, hashes)
	check(err, "tiles")
	require(root == tree.Hash, "tiles give root %v", root)
	server.readAllTiles(tree, hashes)
	server.readAllEntries(tree, hashes)

	if *old != "" {
		text, err := os.ReadFile(*old)
		check(err, "old checkpoint")
		server.consistent(server.open(text), tree, hashes, "the old checkpoint")
	}
	for _, path := range flag.Args() {
		server.receipt(path, tree, hashes)
	}
	fmt.Println("ok: all of it")
}

// verifiers is the flag -key, each time it is given.
type verifiers []note.Verifier

func (v *verifiers) String() string { return "" }

func (v *verifiers) Set(vkey string) error {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	*v = append(*v, verifier)
	return nil
}

type server struct {
	prefix string
	known  note.Verifiers
	origin string // The log's name, from the checkpoint that is served; everything else must be of the same log.
	tiles  map[string][]byte
}

func (s *server) get(address string) []byte {
	answer, err := http.Get(address)
	check(err, address)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	check(err, address)
	require(answer.StatusCode == http.StatusOK, "%s: %s", address, answer.Status)
	return body
}

// open is the tree head of a checkpoint (c2sp.org/tlog-checkpoint) that one of the pinned keys signed. The key bears the
// log's name: that of another log, which this one continues, is none of this one's.
func (s *server) open(text []byte) tlog.Tree {
	opened, err := note.Open(text, s.known)
	check(err, "signature")
	lines := strings.Split(opened.Text, "\n")
	if s.origin == "" {
		s.origin = lines[0]
	}
	require(len(lines) == 4 && lines[0] == s.origin, "not a checkpoint of %s: %q", s.origin, opened.Text)
	signed := false
	for _, signature := range opened.Sigs {
		signed = signed || signature.Name == s.origin
	}
	require(signed, "signature: the checkpoint of %s is signed by the key of another log", s.origin)
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err, "size")
	root, err := tlog.ParseHash(lines[2])
	check(err, "root")
	return tlog.Tree{N: size, Hash: root}
}

// Height, ReadTiles and SaveTiles make the server a tlog.TileReader; x/mod's paths have the height in them, C2SP's not.
func (s *server) Height() int { return tileHeight }

func (s *server) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		path := strings.TrimPrefix(tile.Path(), "tile/8/")
		if s.tiles[path] == nil {
			s.tiles[path] = s.get(s.prefix + "/tile/" + path)
		}
		data[i] = s.tiles[path]
		if len(data[i]) != tile.W*tlog.HashSize {
			return nil, fmt.Errorf("tile %s has %d bytes", path, len(data[i]))
		}
	}
	return data, nil
}

func (s *server) SaveTiles([]tlog.Tile, [][]byte) {}

// readAllTiles compares each hash of every tile with what the tree, as proven by other tiles, has there.
func (s *server) readAllTiles(tree tlog.Tree, hashes tlog.HashReader) {
	count := 0
	for _, tile := range tlog.NewTiles(tileHeight, 0, tree.N) {
		last := tree.N >> uint(tileHeight*tile.L) // Only the widest of the partial tiles.
		if tile.N == last>>tileHeight && int64(tile.W) != last&(1<<tileHeight-1) {
			continue
		}
		want, err := tlog.ReadTileData(tile, hashes)
		check(err, tile.Path())
		got, err := s.ReadTiles([]tlog.Tile{tile})
		check(err, tile.Path())
		require(string(want) == string(got[0]), "tile %s is not the tree's", tile.Path())
		count++
	}
	fmt.Printf("ok tiles: %d, each the signed tree's\n", count)
}

// readAllEntries recomputes the root from the entry bundles, and compares each leaf with the tree's.
func (s *server) readAllEntries(tree tlog.Tree, hashes tlog.HashReader) {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			found[i] = stored[index]
		}
		return found, nil
	})
	for n := int64(0); n < tree.N; {
		tile := tlog.Tile{H: tileHeight, L: 0, N: n >> tileHeight, W: 1 << tileHeight}
		if rest := tree.N - n; rest < int64(tile.W) {
			tile.W = int(rest)
		}
		bundle := s.get(s.prefix + "/tile/entries/" + strings.TrimPrefix(tile.Path(), "tile/8/0/"))
		for i := 0; i < tile.W; i++ {
			require(len(bundle) >= 2, "bundle %d ends early", tile.N)
			size := int(binary.BigEndian.Uint16(bundle))
			require(len(bundle) >= 2+size, "bundle %d ends early", tile.N)
			entry := bundle[2 : 2+size]
			bundle = bundle[2+size:]
			require(strings.HasPrefix(string(entry), "custody-leaf/v1 "), "entry %d is %q", n, entry)
			inTree, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, n)})
			check(err, "entry")
			require(inTree[0] == tlog.RecordHash(entry), "entry %d is not the tree's", n)
			more, err := tlog.StoredHashes(n, entry, reader)
			check(err, "entry")
			stored = append(stored, more...)
			n++
		}
		require(len(bundle) == 0, "bundle %d is too long", tile.N)
	}
	root, err := tlog.TreeHash(tree.N, reader)
	check(err, "entries")
	require(root == tree.Hash, "the entries give root %v, signed is %v", root, tree.Hash)
	fmt.Printf("ok entries: %d give the signed root\n", tree.N)
}

// consistent proves twice that older is the beginning of newer: from the tiles, and by the server's own proof.
func (s *server) consistent(older, newer tlog.Tree, hashes tlog.HashReader, what string) {
	require(older.N <= newer.N, "%s is newer than the checkpoint served", what)
	proof, err := tlog.ProveTree(newer.N, older.N, hashes)
	check(err, "consistency")
	check(tlog.CheckTree(proof, newer.N, newer.Hash, older.N, older.Hash), what)

	address, err := url.Parse(s.prefix)
	check(err, "url")
	number := "1" // The root's: no other log ever stands there, also after it has ended.
	if at := strings.LastIndex(address.Path, "/logs/"); at >= 0 {
		number = address.Path[at+len("/logs/"):]
	}
	address.Path = "/v1/ledger/consistency"
	address.RawQuery = fmt.Sprintf("old=%d&new=%d&log=%s", older.N, newer.N, url.QueryEscape(number))
	head, checkpoint, _ := strings.Cut(string(s.get(address.String())), "\n\n")
	lines := strings.Split(head, "\n")
	require(lines[0] == fmt.Sprintf("old %d", older.N), "not a proof from %d: %q", older.N, lines[0])
	require(s.open([]byte(checkpoint)) == newer, "the proof is to another checkpoint")
	check(tlog.CheckTree(parseHashes(lines[1:]), newer.N, newer.Hash, older.N, older.Hash), what+", the server's proof")
	fmt.Printf("ok consistency: %s (%d leaves) is the beginning of the log\n", what, older.N)
}

// receipt checks an exhibit-receipt/v1: entry line, C2SP tlog-proof, checkpoint.
func (s *server) receipt(path string, tree tlog.Tree, hashes tlog.HashReader) {
	text, err := os.ReadFile(path)
	check(err, path)
	parts := strings.SplitN(string(text), "\n\n", 3)
	require(len(parts) == 3, "%s is no receipt", path)
	head, proof := strings.Split(parts[0], "\n"), strings.Split(parts[1], "\n")
	require(len(head) == 2 && head[0] == "exhibit-receipt/v1", "%s is no receipt", path)
	require(len(proof) >= 3 && proof[0] == "c2sp.org/tlog-proof@v1", "%s has no proof", path)
	var entry struct {
		Label, Log, Time, Stream string
		Seq                      int64
		Object                   struct {
			Sha256 string
			Size   int64
		}
	}
	check(json.Unmarshal([]byte(head[1]), &entry), path)
	leaf := fmt.Sprintf("custody-leaf/v1 %s %x", entry.Label, sha256.Sum256([]byte(head[1])))
	extra, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(proof[1], "extra "))
	check(err, path)
	require(string(extra) == leaf, "%s: the proof is of another entry", path)
	index, err := strconv.ParseInt(strings.TrimPrefix(proof[2], "index "), 10, 64)
	check(err, path)
	signed := s.open([]byte(parts[2]))
	require(entry.Log == s.origin, "%s: an entry of log %s", path, entry.Log)
	record := tlog.RecordHash([]byte(leaf))
	check(tlog.CheckRecord(parseHashes(proof[3:]), signed.N, signed.Hash, index, record), path)
	inTree, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
	check(err, path)
	require(inTree[0] == record, "%s: the log has another entry there now", path)
	s.consistent(signed, tree, hashes, "the receipt's checkpoint")
	fmt.Printf("ok receipt: leaf %d, stream %s, seq %d, %s, sha256 %s, %d bytes\n",
		index, entry.Stream, entry.Seq, entry.Time, entry.Object.Sha256, entry.Object.Size)
}

func parseHashes(lines []string) []tlog.Hash {
	var hashes []tlog.Hash
	for _, line := range lines {
		hash, err := tlog.ParseHash(line)
		check(err, "hash")
		hashes = append(hashes, hash)
	}
	return hashes
}

func check(err error, what string) {
	require(err == nil, "%s: %v", what, err)
}

func require(ok bool, format string, arguments ...any) {
	if !ok {
		log.Fatalf("BAD "+format, arguments...)
	}
}
