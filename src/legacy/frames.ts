/**
 * Names of the frames that belong to the profiler and not to the program: what a client leaves out once it has names. The
 * expressions are facts of the format: google/pprof writes these very ones into what it converts.
 */
import type { ValueType } from './profile.ts';

const ALLOCATORS = [
  'calloc cfree malloc free memalign do_memalign (__)?posix_memalign pvalloc valloc realloc', // POSIX
  'tcmalloc::.* tc_calloc tc_cfree tc_malloc tc_free tc_memalign tc_posix_memalign tc_pvalloc tc_valloc tc_realloc',
  'tc_new tc_delete tc_newarray tc_deletearray tc_new_nothrow tc_newarray_nothrow',
  'malloc_zone_malloc malloc_zone_calloc malloc_zone_valloc malloc_zone_realloc malloc_zone_memalign malloc_zone_free',
  'runtime\\..*', // Go
  'BaseArena::.* (::)?do_malloc_no_errno (::)?do_malloc_pages (::)?do_malloc DoSampledAllocation',
  'MallocedMemBlock::MallocedMemBlock _M_allocate __builtin_(vec_)?delete __builtin_(vec_)?new',
  '__gnu_cxx::new_allocator::allocate __libc_malloc __malloc_alloc_template::allocate allocate cpp_alloc',
  'operator_new(\\[\\])? simple_alloc::allocate',
];

/** Go's frames that mean something in the middle of a stack. */
const KEPT_ALLOCATORS = ['runtime\\.panic runtime\\.reflectcall runtime\\.call[0-9]*'];

const LOCKS = [
  'RecordLockProfileData (base::)?RecordLockProfileData.* (base::)?SubmitMutexProfileData.*',
  '(base::)?SubmitSpinLockProfileData.*',
  ...['base::Mutex', 'Mutex'].map(
    (mutex) =>
      `(${mutex}::)?AwaitCommon.* (${mutex}::)?Unlock.* (${mutex}::)?UnlockSlow.* (${mutex}::)?ReaderUnlock.* (${mutex}Lock::)?~MutexLock.*`,
  ),
  '(SpinLock::)?Unlock.* (SpinLock::)?SlowUnlock.* (SpinLockHolder::)?~SpinLockHolder.*',
];

const SIGNAL_HANDLERS = [
  'ProfileData::Add ProfileData::prof_handler CpuProfiler::prof_handler __pthread_sighandler __restore',
];

const HEAP_TYPES = new Set([
  'allocations size',
  'objects space',
  'inuse_objects inuse_space',
  'alloc_objects alloc_space',
  'alloc_objects alloc_space inuse_objects inuse_space',
]);

/** drop_frames and keep_frames for a profile of these types. */
export function framesToDrop(sampleTypes: readonly ValueType[]): { drop: string; keep: string } {
  const types = sampleTypes.map(({ type }) => type).join(' ');
  if (HEAP_TYPES.has(types)) return { drop: alternatives(ALLOCATORS), keep: alternatives(KEPT_ALLOCATORS) };
  return { drop: alternatives(types === 'contentions delay' ? LOCKS : SIGNAL_HANDLERS), keep: '' };
}

function alternatives(lists: readonly string[]): string {
  return lists.join(' ').replaceAll(' ', '|').replaceAll('operator_new', 'operator new');
}
