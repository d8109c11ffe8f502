// Package world is a test of histories: from one number it plays all that can happen to a
// desk, with the clock, DNS, the submission server and the disk in the hand of that number,
// and looks whether the desk kept what it promises.
package world
