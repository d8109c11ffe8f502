package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

const ordinaryMail = "From: \"Jane\" <jane@client.example>\r\nTo: <support@support-ticket.example>\r\nSubject: Re: printer\r\n" +
	"Date: Mon, 23 Nov 2026 22:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nThe printer is on fire.\r\n"

// Mail is read with the dictionary that it was written with, by each program that ever comes.
func TestDictionaryStays(t *testing.T) {
	const want = "38961c7b817271ae9dc514b124ec36ffc3f54cbf83191b4115ad3de6c2f02342"
	if sum := fmt.Sprintf("%x", sha256.Sum256([]byte(dictionary))); sum != want {
		t.Errorf("dictionary %d is another one, %s: mail that was stored with it is lost", dictionaryID, sum)
	}
	d := open(t, t.TempDir())
	mail := []byte(ordinaryMail)
	for name, frame := range map[string]string{
		"with the dictionary": "KLUv/QEAAWUCALQCSmFuZSIgPGphbmVALmV4YW1wbGU+LXRpY2tlMjINCnMgb24gZmlyZS4NCgoA6KMe+ADFtFlhNyoD8TtAUl5Ty8DS9LNuGAnLHhA=",
		"of before it":        base64.StdEncoding.EncodeToString(plainFrame(t, mail)),
	} {
		body := must[[]byte](t)(base64.StdEncoding.DecodeString(frame))
		raw, err := d.proven(sha256.Sum256(mail), int64(len(mail)), encodingZstd, body)
		if err != nil || string(raw) != ordinaryMail {
			t.Errorf("%s: %q, %v", name, raw, err)
		}
	}
}

func plainFrame(t *testing.T, mail []byte) []byte {
	t.Helper()
	return must[*zstd.Encoder](t)(zstd.NewWriter(nil)).EncodeAll(mail, nil)
}

// What each mail has costs little; a file is read by any zstd.
func TestDictionaryIsUsed(t *testing.T) {
	d := open(t, t.TempDir())
	small, err := d.Stage(t.Context(), strings.NewReader(ordinaryMail))
	ok(t, err)
	if without := len(plainFrame(t, []byte(ordinaryMail))); len(small.Encoded) > without*2/3 {
		t.Errorf("%d octets, and without the dictionary %d", len(small.Encoded), without)
	}
	large, err := d.Stage(t.Context(), strings.NewReader(ordinaryMail+strings.Repeat("The printer is on fire. ", 4000)))
	ok(t, err)
	file := bytes.NewReader(must[[]byte](t)(os.ReadFile(d.rawPath(large.Hash))))
	plain := must[*zstd.Decoder](t)(zstd.NewReader(file))
	defer plain.Close()
	var out bytes.Buffer
	if n, err := out.ReadFrom(plain); err != nil || n != large.Size {
		t.Errorf("%d of %d octets, %v", n, large.Size, err)
	}
}
