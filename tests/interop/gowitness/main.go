// Gowitness is a witness (c2sp.org/tlog-witness) of a page or two around golang.org/x/mod's sumdb/note and
// sumdb/tlog, and a reader of its cosignatures (c2sp.org/tlog-cosignature).
//
//	gowitness -name N -seed FILE -vkey                       print the witness's key
//	gowitness -name N -seed FILE -log FILE -state FILE -listen ADDR
//	                                                         witness the log whose key is in FILE; prints its address
//	gowitness -log FILE -check VKEY -check VKEY ... < note   exit 0 when log and all these witnesses signed the note
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const algCosignature = 4

type tree struct {
	size int64
	hash tlog.Hash
}

func keyHash(name string, key []byte) uint32 {
	sum := sha256.Sum256(append([]byte(name+"\n"), key...))
	return binary.BigEndian.Uint32(sum[:])
}

func message(timestamp uint64, text []byte) []byte {
	return append([]byte(fmt.Sprintf("cosignature/v1\ntime %d\n", timestamp)), text...)
}

// A cosigner verifies a witness's lines as note.Open's Verifier.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c *cosigner) Name() string    { return c.name }
func (c *cosigner) KeyHash() uint32 { return c.hash }
func (c *cosigner) Verify(text, sig []byte) bool {
	return len(sig) == 8+ed25519.SignatureSize &&
		ed25519.Verify(c.key, message(binary.BigEndian.Uint64(sig), text), sig[8:])
}

func newCosigner(vkey string) (*cosigner, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("a key is NAME+HASH+KEY")
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 33 || key[0] != algCosignature {
		return nil, errors.New("not a cosigner's key")
	}
	hash := keyHash(parts[0], key)
	if fmt.Sprintf("%08x", hash) != parts[1] {
		return nil, errors.New("the key's hash is another")
	}
	return &cosigner{parts[0], hash, key[1:]}, nil
}

type witness struct {
	name, logFile, stateFile string
	key                      ed25519.PrivateKey
	mu                       sync.Mutex
}

func (w *witness) publicKey() []byte {
	return append([]byte{algCosignature}, w.key.Public().(ed25519.PublicKey)...)
}

func (w *witness) vkey() string {
	return fmt.Sprintf("%s+%08x+%s", w.name, keyHash(w.name, w.publicKey()), base64.StdEncoding.EncodeToString(w.publicKey()))
}

// known is what it cosigned last: the state file's "size hash"; the empty tree without one.
func (w *witness) known() (t tree, err error) {
	data, err := os.ReadFile(w.stateFile)
	if errors.Is(err, os.ErrNotExist) {
		return tree{}, nil
	}
	size, hash, _ := strings.Cut(strings.TrimSpace(string(data)), " ")
	if t.size, err = strconv.ParseInt(size, 10, 64); err != nil {
		return t, err
	}
	t.hash, err = tlog.ParseHash(hash)
	return t, err
}

func (w *witness) remember(t tree) error {
	temporary := w.stateFile + ".new"
	if err := os.WriteFile(temporary, []byte(fmt.Sprintf("%d %s\n", t.size, t.hash)), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, w.stateFile)
}

func readLog(file string) (note.Verifier, error) {
	vkey, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return note.NewVerifier(strings.TrimSpace(string(vkey)))
}

func parseTree(text string) (origin string, t tree, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 {
		return "", t, errors.New("not a checkpoint")
	}
	if t.size, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return "", t, err
	}
	t.hash, err = tlog.ParseHash(lines[2])
	return lines[0], t, err
}

func parseRequest(body []byte) (old int64, proof tlog.TreeProof, signed []byte, err error) {
	head, signed, ok := bytes.Cut(body, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !ok || !strings.HasPrefix(lines[0], "old ") {
		return 0, nil, nil, errors.New("not an add-checkpoint body")
	}
	if old, err = strconv.ParseInt(lines[0][4:], 10, 64); err != nil {
		return 0, nil, nil, err
	}
	for _, line := range lines[1:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return 0, nil, nil, err
		}
		proof = append(proof, hash)
	}
	return old, proof, signed, nil
}

// addCheckpoint gives the answer's status and body.
func (w *witness) addCheckpoint(body []byte) (int, string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	old, proof, signed, err := parseRequest(body)
	if err != nil {
		return http.StatusBadRequest, err.Error()
	}
	verifier, err := readLog(w.logFile)
	if err != nil || !bytes.HasPrefix(signed, []byte(verifier.Name()+"\n")) {
		return http.StatusNotFound, "unknown log"
	}
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return http.StatusForbidden, err.Error()
	}
	_, offered, err := parseTree(opened.Text)
	if err != nil || old > offered.size {
		return http.StatusBadRequest, "not a checkpoint from there"
	}
	known, err := w.known()
	if err != nil {
		return http.StatusInternalServerError, err.Error()
	}
	if old != known.size {
		return http.StatusConflict, fmt.Sprintf("%d\n", known.size)
	}
	if known.size > 0 {
		if err := tlog.CheckTree(proof, offered.size, offered.hash, known.size, known.hash); err != nil {
			return http.StatusUnprocessableEntity, err.Error()
		}
	} else if len(proof) > 0 {
		return http.StatusUnprocessableEntity, "a proof from nothing is empty"
	}
	if err := w.remember(offered); err != nil {
		return http.StatusInternalServerError, err.Error()
	}
	now := uint64(time.Now().Unix())
	line := binary.BigEndian.AppendUint32(nil, keyHash(w.name, w.publicKey()))
	line = binary.BigEndian.AppendUint64(line, now)
	line = append(line, ed25519.Sign(w.key, message(now, []byte(opened.Text)))...)
	return http.StatusOK, fmt.Sprintf("— %s %s\n", w.name, base64.StdEncoding.EncodeToString(line))
}

func (w *witness) ServeHTTP(out http.ResponseWriter, in *http.Request) {
	body, err := io.ReadAll(io.LimitReader(in.Body, 1<<20))
	if err != nil || in.Method != http.MethodPost || in.URL.Path != "/add-checkpoint" {
		http.Error(out, "no such call", http.StatusNotFound)
		return
	}
	status, answer := w.addCheckpoint(body)
	if status == http.StatusConflict {
		out.Header().Set("Content-Type", "text/x.tlog.size")
	}
	out.WriteHeader(status)
	io.WriteString(out, answer)
	log.Printf("%d %.20q %s", status, body, strings.TrimSpace(answer))
}

func check(logFile string, vkeys []string) error {
	verifier, err := readLog(logFile)
	if err != nil {
		return err
	}
	known := []note.Verifier{verifier}
	for _, vkey := range vkeys {
		cosigner, err := newCosigner(vkey)
		if err != nil {
			return err
		}
		known = append(known, cosigner)
	}
	signed, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	opened, err := note.Open(signed, note.VerifierList(known...))
	if err != nil {
		return err
	}
	for _, verifier := range known {
		found := false
		for _, sig := range opened.Sigs {
			found = found || sig.Name == verifier.Name() && sig.Hash == verifier.KeyHash()
		}
		if !found {
			return fmt.Errorf("not signed by %s", verifier.Name())
		}
	}
	_, signedTree, err := parseTree(opened.Text)
	fmt.Printf("%d %s: %d signatures\n", signedTree.size, signedTree.hash, len(opened.Sigs))
	return err
}

type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

func main() {
	log.SetFlags(0)
	var checked list
	name := flag.String("name", "", "the witness's name")
	seed := flag.String("seed", "", "file with 64 hexadecimal digits")
	logFile := flag.String("log", "", "file with the log's key")
	state := flag.String("state", "", "where it keeps what it cosigned last")
	listen := flag.String("listen", "127.0.0.1:0", "address")
	showKey := flag.Bool("vkey", false, "print the key and stop")
	flag.Var(&checked, "check", "a witness's key whose cosignature must be there")
	flag.Parse()
	if *seed == "" {
		if err := check(*logFile, checked); err != nil {
			log.Fatal(err)
		}
		return
	}
	digits, err := os.ReadFile(*seed)
	if err != nil {
		log.Fatal(err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(digits)))
	if err != nil || len(key) != ed25519.SeedSize {
		log.Fatal("the seed is 64 hexadecimal digits")
	}
	w := &witness{name: *name, logFile: *logFile, stateFile: *state, key: ed25519.NewKeyFromSeed(key)}
	if *showKey {
		fmt.Println(w.vkey())
		return
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, w))
}
