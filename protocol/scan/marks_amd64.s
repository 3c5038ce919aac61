#include "textflag.h"

DATA separators<>+0(SB)/4, $0x0a0a0a0a
DATA separators<>+4(SB)/4, $0x3a3a3a3a
DATA separators<>+8(SB)/4, $0x7c7c7c7c
GLOBL separators<>(SB), RODATA|NOPTR, $12

// One separator's bitmap of the 64 bytes in Y3 and Y4.
#define BITMAP(sep, offset) \
	VPCMPEQB  Y3, sep, Y5;  \
	VPCMPEQB  Y4, sep, Y6;  \
	VPMOVMSKB Y5, AX;       \
	VPMOVMSKB Y6, DX;       \
	SHLQ      $32, DX;      \
	ORQ       DX, AX;       \
	MOVQ      AX, offset(DI)

// func findMarksAVX2(src *byte, dst *mark, blocks int)
TEXT ·findMarksAVX2(SB), NOSPLIT, $0-24
	MOVQ src+0(FP), SI
	MOVQ dst+8(FP), DI
	MOVQ blocks+16(FP), CX
	VPBROADCASTD separators<>+0(SB), Y0
	VPBROADCASTD separators<>+4(SB), Y1
	VPBROADCASTD separators<>+8(SB), Y2

block:
	VMOVDQU 0(SI), Y3
	VMOVDQU 32(SI), Y4
	BITMAP(Y0, 0)
	BITMAP(Y1, 8)
	BITMAP(Y2, 16)
	ADDQ    $64, SI
	ADDQ    $24, DI
	DECQ    CX
	JNZ     block

	// Without it the scalar floating-point code that follows would pay for
	// the upper halves of the registers.
	VZEROUPPER
	RET
