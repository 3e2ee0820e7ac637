// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * A flash chip of NOR or NAND that lies in memory the virtual machine shares with its host, so that it outlives a kill.
 *
 * The kernel's own simulators do not: nandsim and mtdram keep their content in the guest's memory, block2mtd in its page
 * cache; and UBI refuses phram, which has no write buffer. Programming takes bits away, as on a chip; only erasing gives
 * them back. A page is programmed from its first byte to its last, and a block erased so, and a power cut may come in
 * between. Counts what it is asked to write and erase. Has no bad blocks, no bit flips and no ECC: a page half programmed
 * reads back so.
 */
#include <linux/io.h>
#include <linux/module.h>
#include <linux/mtd/mtd.h>

static ulong start;
module_param(start, ulong, 0444);
MODULE_PARM_DESC(start, "physical address");
static uint size;
module_param(size, uint, 0444);
MODULE_PARM_DESC(size, "bytes");
static uint block;
module_param(block, uint, 0444);
MODULE_PARM_DESC(block, "bytes that are erased at once");
static uint page = 1;
module_param(page, uint, 0444);
MODULE_PARM_DESC(page, "bytes that are programmed at once; 1: NOR");
static ulong written;
module_param(written, ulong, 0444);
MODULE_PARM_DESC(written, "bytes programmed so far");
static ulong writes;
module_param(writes, ulong, 0444);
MODULE_PARM_DESC(writes, "times it was programmed so far");
static ulong erases;
module_param(erases, ulong, 0444);
MODULE_PARM_DESC(erases, "blocks erased so far");
static bool broken;
module_param(broken, bool, 0644);
MODULE_PARM_DESC(broken, "refuses to be programmed and erased");

static struct mtd_info chip;
static u8 *cells;

static int flash_read(struct mtd_info *mtd, loff_t from, size_t len, size_t *retlen, u_char *buf)
{
	memcpy(buf, cells + from, len);
	*retlen = len;
	return 0;
}

static int flash_write(struct mtd_info *mtd, loff_t to, size_t len, size_t *retlen, const u_char *buf)
{
	size_t i;

	if (broken)
		return -EIO;
	for (i = 0; i < len; i++)
		cells[to + i] &= buf[i];
	written += len;
	writes++;
	*retlen = len;
	return 0;
}

static int flash_erase(struct mtd_info *mtd, struct erase_info *what)
{
	if (broken)
		return -EIO;
	memset(cells + what->addr, 0xff, what->len);
	erases += (ulong)what->len / block;
	return 0;
}

static int __init flash_init(void)
{
	if (!size || !block || !page || size % block || block % page)
		return -EINVAL;
	cells = memremap(start, size, MEMREMAP_WB);
	if (!cells)
		return -ENXIO;
	chip.name = "flash";
	chip.owner = THIS_MODULE;
	chip.type = page == 1 ? MTD_NORFLASH : MTD_NANDFLASH;
	chip.flags = page == 1 ? MTD_CAP_NORFLASH : MTD_CAP_NANDFLASH;
	chip.size = size;
	chip.erasesize = block;
	chip.writesize = page;
	chip.writebufsize = page == 1 ? 64 : page;
	chip._read = flash_read;
	chip._write = flash_write;
	chip._erase = flash_erase;
	return mtd_device_register(&chip, NULL, 0);
}

static void __exit flash_exit(void)
{
	mtd_device_unregister(&chip);
	memunmap(cells);
}

module_init(flash_init);
module_exit(flash_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Flash in memory that outlives the machine");
