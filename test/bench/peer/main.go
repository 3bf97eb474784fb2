// SPDX-License-Identifier: MIT

// peer serves toq's listings as a Go service would, as far as the bench asks: one listing, a city's
// first page, a merge patch. net/http, go-sql-driver with prepared statements, a pool of redigo; the
// same SQL, JSON and cache as toq. Its servers are named by toq's variables; PEER_PORT is its own.
package main

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"
)

const (
	path          = "/v1/listings"
	limitDefault  = 20
	limitMax      = 100
	bodyMaxBytes  = 1 << 20
	mysqlPool     = 16 // toq's MYSQL_POOL_SIZE
	redisPool     = 66 // one a connection of the bench, and one that listens
	headerTimeout = 10 * time.Second
	idleTimeout   = 10 * time.Minute
)

type server struct {
	store *store
	cache *cache
	token []byte
}

func respond(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

func respondListing(w http.ResponseWriter, version uint64, body []byte) {
	w.Header().Set("ETag", `"`+strconv.FormatUint(version, 10)+`"`)
	respondFresh(w, body)
}

func respondFresh(w http.ResponseWriter, body []byte) {
	w.Header().Set("Cache-Control", "no-cache")
	respond(w, body)
}

func refuse(w http.ResponseWriter, err error) {
	status := http.StatusServiceUnavailable
	switch err {
	case errNotFound:
		status = http.StatusNotFound
	case errVersion:
		status = http.StatusPreconditionFailed
	}
	http.Error(w, err.Error(), status)
}

func encode(value interface{}) ([]byte, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return body.Bytes(), err
}

func (s *server) one(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Path[len(path)+1:]
	switch r.Method {
	case http.MethodGet:
		s.get(w, r, id)
	case http.MethodPatch:
		s.patch(w, r, id)
	default:
		http.Error(w, "GET or PATCH", http.StatusMethodNotAllowed)
	}
}

func (s *server) get(w http.ResponseWriter, r *http.Request, id string) {
	version, body, ok := s.cache.find(id)
	if !ok {
		var err error
		version, body, err = s.cache.once(id, func() (uint64, []byte, error) { return s.load(r, id) })
		if err != nil {
			refuse(w, err)
			return
		}
	}
	respondListing(w, version, body)
}

// load reads a listing from MySQL and leaves it in the cache.
func (s *server) load(r *http.Request, id string) (uint64, []byte, error) {
	l, err := s.store.read(r.Context(), id)
	if err != nil {
		return 0, nil, err
	}
	body, err := encode(&l)
	if err == nil {
		_ = s.cache.keep(id, l.Version, body, false)
	}
	return l.Version, body, err
}

func (s *server) isAllowed(r *http.Request) bool {
	const scheme = "Bearer "
	given := r.Header.Get("Authorization")
	return strings.HasPrefix(given, scheme) &&
		subtle.ConstantTimeCompare([]byte(given[len(scheme):]), s.token) == 1
}

func (s *server) patch(w http.ResponseWriter, r *http.Request, id string) {
	if !s.isAllowed(r) {
		http.Error(w, "a token is needed", http.StatusUnauthorized)
		return
	}
	expected, err := strconv.ParseUint(strings.Trim(r.Header.Get("If-Match"), `"`), 10, 64)
	if err != nil {
		http.Error(w, "If-Match is needed", http.StatusPreconditionRequired)
		return
	}
	changes, err := decodePatch(http.MaxBytesReader(w, r.Body, bodyMaxBytes))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	l, err := s.store.read(r.Context(), id)
	if err == nil && l.Version != expected {
		err = errVersion
	}
	if err != nil {
		refuse(w, err)
		return
	}
	if err = changes.apply(&l); err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	var body []byte
	if err = s.store.write(r.Context(), &l); err == nil {
		body, err = encode(&l)
	}
	if err != nil {
		refuse(w, err)
		return
	}
	_ = s.cache.keep(id, l.Version, body, true)
	respondListing(w, l.Version, body)
}

func (s *server) list(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	limit := limitDefault
	if text := query.Get("limit"); text != "" {
		var err error
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > limitMax {
			http.Error(w, "limit: from 1 to 100", http.StatusBadRequest)
			return
		}
	}
	_, body, err := s.cache.once(r.URL.RawQuery, func() (uint64, []byte, error) {
		p, err := s.store.list(r.Context(), query.Get("city"), limit)
		if err != nil {
			return 0, nil, err
		}
		body, err := encode(&p)
		return 0, body, err
	})
	if err != nil {
		refuse(w, err)
		return
	}
	respondFresh(w, body)
}

// live answers as toq does, so that the bench sees it is up.
func live(w http.ResponseWriter, _ *http.Request) {
	respond(w, []byte(`{"status":"ok"}`+"\n"))
}

func dialRedis() (redis.Conn, error) {
	db, _ := strconv.Atoi(os.Getenv("REDIS_DB"))
	return redis.Dial("tcp", net.JoinHostPort(os.Getenv("REDIS_HOST"), os.Getenv("REDIS_PORT")),
		redis.DialPassword(os.Getenv("REDIS_PASSWORD")), redis.DialDatabase(db))
}

func main() {
	dsn := fmt.Sprintf("%s:%s@tcp(%s:%s)/%s?parseTime=true&charset=utf8mb4", os.Getenv("MYSQL_USER"),
		os.Getenv("MYSQL_PASSWORD"), os.Getenv("MYSQL_HOST"), os.Getenv("MYSQL_PORT"),
		os.Getenv("MYSQL_DATABASE"))
	store, err := openStore(dsn, mysqlPool)
	if err != nil {
		log.Fatal(err)
	}
	ttlMS, err := strconv.Atoi(os.Getenv("CACHE_TTL_MS"))
	if err != nil {
		log.Fatal(err)
	}
	s := &server{store: store, token: []byte(os.Getenv("API_TOKENS")),
		cache: openCache(dialRedis, redisPool, time.Duration(ttlMS)*time.Millisecond)}
	mux := http.NewServeMux()
	mux.HandleFunc("/health/live", live)
	mux.HandleFunc(path, s.list)
	mux.HandleFunc(path+"/", s.one)
	log.Fatal((&http.Server{
		Addr:              net.JoinHostPort("127.0.0.1", os.Getenv("PEER_PORT")),
		Handler:           mux,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
	}).ListenAndServe())
}
